// One instruction set's version of every operation: see engine.c for the layout of streams.
// Takes VARIANT, ATTRIBUTE, UNIT (a word of channels), LANES (images of a block) and LIMIT. Where SLICED is
// defined, a unit is one channel, in WORDS words of 64 lanes, all 0 or all 1 where it is a constant.

#if defined(SLICED)
#define UNIT_BITS 1
#define WORDS (LANES / 64)
#else
#define UNIT_BITS ((int)(8 * sizeof(UNIT)))
#define WORDS LANES
#endif
#define GROUP (LANES < 64 ? LANES : 64)  // images whose bits are spread over lanes together

#if defined(SLICED)
#include "sliced.h"
#else
#include "lanes.h"
#endif
#include "integers.h"
#include "images.h"

FN void NAME(pool_bits)(const op *o, char *arena) {
  const UNIT *source = (const UNIT *)(arena + o->src0), *flips = o->flips;
  UNIT *out = (UNIT *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++)
    for (int64_t u = 0; u < o->width; u++, out += WORDS) {
      UNIT any[WORDS] = {0};
      for (int64_t t = 0; t < o->taps; t++) {
        int64_t tap = o->windows[p * o->taps + t];
        if (tap >= 0)
          for (int w = 0; w < WORDS; w++) any[w] |= source[(tap * o->width + u) * WORDS + w] ^ flips[u];
      }
      for (int w = 0; w < WORDS; w++) out[w] = any[w] ^ flips[u];
    }
}

// Any rearrangement of bits: runs of (source, its unit, unit of the output, shift, mask).
FN void NAME(move_bits)(const op *o, char *arena) {
  UNIT *out = (UNIT *)(arena + o->dst);
  const UNIT *start = o->fills, *masks = o->masks;
  for (int64_t u = 0; u < o->pixels * o->out_width; u++)
    for (int w = 0; w < WORDS; w++) out[u * WORDS + w] = start[u];
  for (int64_t i = 0; i < o->map_length; i++) {
    const int32_t *run = o->map + 4 * i;
    const UNIT *x = (const UNIT *)(arena + (run[0] ? o->src1 : o->src0)) + (int64_t)run[1] * WORDS;
    UNIT *y = out + (int64_t)run[2] * WORDS;
    if (run[3] >= 0)
      for (int w = 0; w < WORDS; w++) y[w] |= (UNIT)((UNIT)(x[w] << run[3]) & masks[i]);
    else
      for (int w = 0; w < WORDS; w++) y[w] |= (UNIT)((x[w] >> -run[3]) & masks[i]);
  }
}

// Tables of `depth` bits of a pixel each, which `map` names; an entry of a table is a byte.
FN void NAME(look_up)(const op *o, char *arena) {
  const UNIT *source = (const UNIT *)(arena + o->src0);
  UNIT *out = (UNIT *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++, source += o->width * WORDS, out += o->out_width * WORDS) {
    const int32_t *wires = o->map;
    const uint8_t *table = o->weights;
    memset(out, 0, o->out_width * WORDS * sizeof(UNIT));
    for (int64_t m = 0; m < o->rows; m++, wires += o->depth, table += 1ll << o->depth) {
#if defined(SLICED)
      // A tree of multiplexers, whose first level picks among constants.
      UNIT level[1 << (MOST_TABLE_INPUTS - 1)][WORDS];
      for (int64_t j = 0; j < o->depth; j++) {
        const UNIT *x = source + (int64_t)wires[j] * WORDS;
        for (int64_t i = 0; i < 1ll << (o->depth - 1 - j); i++)
          for (int w = 0; w < WORDS; w++) {
            UNIT low = j ? level[2 * i][w] : -(UNIT)table[2 * i], high = j ? level[2 * i + 1][w] : -(UNIT)table[2 * i + 1];
            level[i][w] = low ^ ((low ^ high) & x[w]);
          }
      }
      memcpy(out + m * WORDS, level[0], sizeof level[0]);
#else
      uint32_t index[WORDS] = {0};
      for (int64_t j = 0; j < o->depth; j++) {
        const UNIT *x = source + wires[j] / UNIT_BITS * WORDS;
        for (int w = 0; w < WORDS; w++) index[w] |= (uint32_t)(x[w] >> wires[j] % UNIT_BITS & 1) << j;
      }
      for (int w = 0; w < WORDS; w++) out[m / UNIT_BITS * WORDS + w] |= (UNIT)table[index[w]] << m % UNIT_BITS;
#endif
    }
  }
}

#if !defined(SLICED)
FN void NAME(pool_integers)(const op *o, char *arena) {
  const int32_t *source = (const int32_t *)(arena + o->src0);
  int32_t *out = (int32_t *)(arena + o->dst);
  int64_t count = o->width * LANES;
  for (int64_t p = 0; p < o->pixels; p++, out += count) {
    int32_t start = o->kind == POOL_SUM ? 0 : INT32_MIN;
    for (int64_t i = 0; i < count; i++) out[i] = start;
    for (int64_t t = 0; t < o->taps; t++) {
      int64_t tap = o->windows[p * o->taps + t];
      if (tap < 0) continue;
      const int32_t *x = source + tap * count;
      if (o->kind == POOL_SUM)
        for (int64_t i = 0; i < count; i++) out[i] += x[i];
      else
        for (int64_t i = 0; i < count; i++) out[i] = x[i] > out[i] ? x[i] : out[i];
    }
  }
}

FN void NAME(threshold)(const op *o, char *arena) {
  const int32_t *x = (const int32_t *)(arena + o->src0), *thresholds = o->thresholds;
  const UNIT *flips = o->flips;
  UNIT *out = (UNIT *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++)
    for (int64_t u = 0; u < o->out_width; u++, out += LANES) {
      UNIT bits[LANES];
      for (int l = 0; l < LANES; l++) bits[l] = flips[u];
      int64_t last = o->width - u * UNIT_BITS < UNIT_BITS ? o->width - u * UNIT_BITS : UNIT_BITS;
      for (int64_t c = 0; c < last; c++, x += LANES) {
        int32_t threshold = thresholds[u * UNIT_BITS + c];
        for (int l = 0; l < LANES; l++) bits[l] ^= (UNIT)((UNIT)(x[l] >= threshold) << c);
      }
      memcpy(out, bits, sizeof bits);
    }
}

FN void NAME(multi_threshold)(const op *o, char *arena) {
  const int32_t *x = (const int32_t *)(arena + o->src0), *inverts = o->flips;
  int32_t *out = (int32_t *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++)
    for (int64_t c = 0; c < o->width; c++, x += LANES, out += LANES) {
      const int32_t *steps = (const int32_t *)o->thresholds + c * o->depth;
      int32_t codes[LANES] = {0};
      for (int64_t s = 0; s < o->depth; s++)
        for (int l = 0; l < LANES; l++) codes[l] += x[l] >= steps[s];
      for (int l = 0; l < LANES; l++)
        out[l] = (int32_t)(o->low + (inverts[c] ? o->depth - codes[l] : codes[l]));
    }
}

FN void NAME(add)(const op *o, char *arena) {
  const uint32_t *a = (const uint32_t *)(arena + o->src0), *b = (const uint32_t *)(arena + o->src1);
  uint32_t *out = (uint32_t *)(arena + o->dst), first = (uint32_t)o->low, second = (uint32_t)o->fill;
  for (int64_t i = 0; i < o->pixels * o->width * LANES; i++) out[i] = first * a[i] + second * b[i];
}

// Bits → ±1.
FN void NAME(expand)(const op *o, char *arena) {
  const UNIT *source = (const UNIT *)(arena + o->src0);
  int32_t *out = (int32_t *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++, source += o->width * LANES)
    for (int64_t c = 0; c < o->out_width; c++, out += LANES)
      for (int l = 0; l < LANES; l++)
        out[l] = 2 * (int32_t)(source[c / UNIT_BITS * LANES + l] >> c % UNIT_BITS & 1) - 1;
}

// Any rearrangement of integers: -1 is the fill, those from `depth` on are the second source's.
FN void NAME(gather)(const op *o, char *arena) {
  const int32_t *first = (const int32_t *)(arena + o->src0), *second = (const int32_t *)(arena + o->src1);
  int32_t *out = (int32_t *)(arena + o->dst);
  for (int64_t i = 0; i < o->map_length; i++, out += LANES) {
    int64_t from = o->map[i];
    if (from < 0)
      for (int l = 0; l < LANES; l++) out[l] = (int32_t)o->fill;
    else
      memcpy(out, from < o->depth ? first + from * LANES : second + (from - o->depth) * LANES, sizeof(int32_t) * LANES);
  }
}

#endif

// Run images as `next` hands them out, which threads share (NULL: there is one); each has its own arena.
// Returns an image that holds a NaN, or -1.
ATTRIBUTE int64_t NAME(bnnedge_run)(const plan *e, const char *x, int64_t type, int64_t images, int64_t top,
                          int64_t *out, char *arena, int64_t *next) {
  const int64_t grain = LANES < 16 ? 16 : LANES;
  const int64_t bytes = e->elements * (type == UINT8 ? 1 : 4), answers = top ? top : e->classes;
  char *temporary = arena + e->temporary;
  int64_t own = 0;
  if (!next) next = &own;
  for (;;) {
    int64_t from = __atomic_fetch_add(next, grain, __ATOMIC_RELAXED);
    if (from >= images) return -1;
    int64_t end = from + grain < images ? from + grain : images;
    for (int64_t at = from; at < end; at += LANES) {
      int count = end - at < LANES ? (int)(end - at) : LANES;
      int nan = NAME(encode)(e, x + at * bytes, (int)type, count, arena);
      if (nan >= 0) return at + nan;
      for (int64_t i = 0; i < e->count_ops; i++) {
        const op *o = e->ops + i;
        switch (o->kind) {
          case XNOR: NAME(xnor)(o, arena, temporary); break;
          case INTEGER:
          case INTEGER_WIDE:
            for (int first = 0; first < count; first += GROUP)
              (o->kind == INTEGER ? NAME(integer) : NAME(integer_wide))(
                  o, arena, temporary, first, count - first < GROUP ? count - first : GROUP);
            break;
          case POOL_BITS: NAME(pool_bits)(o, arena); break;
          case MOVE_BITS: NAME(move_bits)(o, arena); break;
          case LOOK_UP: NAME(look_up)(o, arena); break;
#if !defined(SLICED)
          case POOL_MAX:
          case POOL_SUM: NAME(pool_integers)(o, arena); break;
          case THRESHOLD: NAME(threshold)(o, arena); break;
          case MULTI_THRESHOLD: NAME(multi_threshold)(o, arena); break;
          case ADD: NAME(add)(o, arena); break;
          case EXPAND: NAME(expand)(o, arena); break;
          case GATHER: NAME(gather)(o, arena); break;
#endif
        }
      }
      NAME(answer)(e, arena, count, top, out + at * answers);
    }
  }
}

#undef VARIANT
#undef ATTRIBUTE
#undef UNIT
#undef LANES
#undef LIMIT
#undef PORTABLE
#undef SLICED
#undef TRIPLES
#undef UNIT_BITS
#undef WORDS
#undef GROUP
