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
#define INTEGER_ROWS 32  // plan.py lays weights of integer matrices out in such blocks
#define INTEGER_LANES 4

// ---- comparisons of one image, 64 to a word -----------------------------------------------------

FN void NAME(compare_floats)(const float *x, const float *thresholds, int64_t count, uint64_t *words) {
  for (int64_t at = 0; at < count; at += 64) {
    uint64_t word = 0;
#if defined(AVX512)
    for (int i = 0; i < 64; i += 16)
      word |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(x + at + i), _mm512_loadu_ps(thresholds + at + i), _CMP_GE_OQ) << i;
#elif defined(AVX2)
    for (int i = 0; i < 64; i += 8)
      word |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_cmp_ps(
                  _mm256_loadu_ps(x + at + i), _mm256_loadu_ps(thresholds + at + i), _CMP_GE_OQ)) << i;
#else
    for (int i = 0; i < 64; i++) word |= (uint64_t)(x[at + i] >= thresholds[at + i]) << i;
#endif
    words[at / 64] = word;
  }
}

FN void NAME(compare_integers)(const int32_t *x, const int32_t *thresholds, int64_t count, uint64_t *words) {
  for (int64_t at = 0; at < count; at += 64) {
    uint64_t word = 0;
#if defined(AVX512)
    for (int i = 0; i < 64; i += 16)
      word |= (uint64_t)_mm512_cmpge_epi32_mask(_mm512_loadu_si512(x + at + i), _mm512_loadu_si512(thresholds + at + i)) << i;
#elif defined(AVX2)
    for (int i = 0; i < 64; i += 8) {
      __m256i less = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(thresholds + at + i)),
                                        _mm256_loadu_si256((const __m256i *)(x + at + i)));
      word |= (uint64_t)(~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(less)) & 255) << i;
    }
#else
    for (int i = 0; i < 64; i++) word |= (uint64_t)(x[at + i] >= thresholds[at + i]) << i;
#endif
    words[at / 64] = word;
  }
}

// ---- XNOR matrices -------------------------------------------------------------------------------

#if defined(SLICED)
#include "sliced.h"
#else
#include "lanes.h"
#endif

// ---- integer matrices: rows in vectors, two columns of int16 at a time -----------------------------

#if defined(AVX512)
#define IV __m512i
#define IV_LOAD(at) _mm512_loadu_si512(at)
#define IV_STORE(at, v) _mm512_storeu_si512(at, v)
#define IV_ALL(pair) _mm512_set1_epi32(pair)
#define IV_DOT(sum, w, x) _mm512_dpwssd_epi32(sum, w, x)
#elif defined(AVX2)
#define IV __m256i
#define IV_LOAD(at) _mm256_loadu_si256((const __m256i *)(at))
#define IV_STORE(at, v) _mm256_storeu_si256((__m256i *)(at), v)
#define IV_ALL(pair) _mm256_set1_epi32(pair)
#define IV_DOT(sum, w, x) _mm256_add_epi32(sum, _mm256_madd_epi16(w, x))
#else
typedef int32_t NAME(vector) __attribute__((vector_size(16), aligned(4)));
#define IV NAME(vector)
#define IV_LOAD(at) (*(const IV *)(at))
#define IV_STORE(at, v) (*(IV *)(at) = (v))
#define IV_ALL(pair) ((IV){pair, pair, pair, pair})
#define IV_DOT(sum, w, x) ((sum) + (((w) << 16) >> 16) * (((x) << 16) >> 16) + ((w) >> 16) * ((x) >> 16))
#endif
#define IV_ROWS ((int)(sizeof(IV) / 4))

// `count` columns of `pairs` pairs times rows in blocks of INTEGER_ROWS → sums [column][stride].
static inline __attribute__((always_inline)) ATTRIBUTE void NAME(dots)(
    const int32_t *columns, int64_t pairs, const int32_t *weights, int64_t rows, int32_t *sums,
    int64_t stride, const int count) {
  for (int64_t row = 0; row < rows; row += INTEGER_ROWS, weights += INTEGER_ROWS * pairs)
    for (int v = 0; v < INTEGER_ROWS; v += 2 * IV_ROWS) {
      IV acc[INTEGER_LANES][2];
#pragma GCC unroll 4
      for (int i = 0; i < count; i++) acc[i][0] = acc[i][1] = IV_ALL(0);
      for (int64_t k = 0; k < pairs; k++) {
        IV first = IV_LOAD(weights + k * INTEGER_ROWS + v);
        IV second = IV_LOAD(weights + k * INTEGER_ROWS + v + IV_ROWS);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
          IV x = IV_ALL(columns[i * pairs + k]);
          acc[i][0] = IV_DOT(acc[i][0], first, x);
          acc[i][1] = IV_DOT(acc[i][1], second, x);
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < count; i++) {
        IV_STORE(sums + i * stride + row + v, acc[i][0]);
        IV_STORE(sums + i * stride + row + v + IV_ROWS, acc[i][1]);
      }
    }
}

FN void NAME(integer_finish)(const op *o, char *arena, int64_t p, int lane, const int32_t *sums, uint64_t *words) {
  int64_t rows = o->groups * o->rows;
  if (!o->thresholds) {
    int32_t *out = (int32_t *)(arena + o->dst) + p * rows * LANES + lane;
    for (int64_t r = 0; r < rows; r++) out[r * LANES] = sums[r];
    return;
  }
  words += lane % GROUP * ((rows + 63) / 64);
  NAME(compare_integers)(sums, o->thresholds, (rows + 63) / 64 * 64, words);
  for (int64_t w = 0; w < (rows + 63) / 64; w++) words[w] ^= ((const uint64_t *)o->flips)[w];
}

FN void NAME(integer_spread)(const op *o, char *arena, int64_t p, int first, int images, const uint64_t *words) {
  if (o->thresholds)
    NAME(spread)(words, (o->groups * o->rows + 63) / 64, first, images, o->out_width,
                 (UNIT *)(arena + o->dst) + p * o->out_width * WORDS);
}

// The window of one group at one pixel of one image. Up to 16 elements too many are read and written;
// what is behind the last column is multiplied by 0.
FN void NAME(integer_window)(const op *o, const int32_t *image, int64_t pixel, int64_t group, int16_t *column) {
  typedef int32_t wide __attribute__((vector_size(64), aligned(4)));
  typedef int16_t narrow __attribute__((vector_size(32), aligned(2)));
  int64_t channels = o->width / o->groups, es = o->element_stride;
  for (int64_t t = 0, run = 1; t < o->taps; t += run) {
    int64_t tap = o->windows ? o->windows[pixel * o->taps + t] : pixel, count = channels;
    const int32_t *x = image + (tap * o->width + group * channels) * es;
    run = 1;
    if (tap < 0) {
      for (int64_t c = 0; c < count; c++) column[c] = (int16_t)o->fill;
    } else if (es == 1) {
      if (o->windows && o->groups == 1)
        while (t + run < o->taps && o->windows[pixel * o->taps + t + run] == tap + run) run++;
      count *= run;
      for (int64_t c = 0; c < count; c += 16)
        *(narrow *)(column + c) = __builtin_convertvector(*(const wide *)(x + c), narrow);
    } else {
      for (int64_t c = 0; c < count; c++) column[c] = (int16_t)x[c * es];
    }
    column += count;
  }
}

// Of up to GROUP images from lane `first` on.
FN void NAME(integer)(const op *o, char *arena, char *temporary, int first, int images) {
  const int32_t *source = (const int32_t *)(arena + o->src0);
  int64_t pairs = (o->taps * (o->width / o->groups) + 1) / 2;
  int64_t stride = o->groups * o->rows + 64 + INTEGER_ROWS;
  uint64_t *words = (uint64_t *)temporary;
  int32_t *sums = (int32_t *)(words + GROUP * (stride / 64 + 1));
  int32_t *columns = sums + INTEGER_LANES * stride;
  for (int64_t p = 0; p < o->pixels; p++) {
    for (int lane = 0; lane < images; lane += INTEGER_LANES) {
      int count = images - lane < INTEGER_LANES ? images - lane : INTEGER_LANES;
      for (int64_t g = 0; g < o->groups; g++) {
        for (int i = 0; i < count; i++)
          NAME(integer_window)(o, source + (first + lane + i) * o->lane_stride, p, g, (int16_t *)(columns + i * pairs));
        const int32_t *weights = (const int32_t *)o->weights + o->parts[g];
        if (count == INTEGER_LANES)
          NAME(dots)(columns, pairs, weights, o->rows, sums + g * o->rows, stride, INTEGER_LANES);
        else
          for (int i = 0; i < count; i++)
            NAME(dots)(columns + i * pairs, pairs, weights, o->rows, sums + i * stride + g * o->rows, stride, 1);
      }
      for (int i = 0; i < count; i++)
        NAME(integer_finish)(o, arena, p, first + lane + i, sums + i * stride, words);
    }
    NAME(integer_spread)(o, arena, p, first, images, words);
  }
}

// Integers that do not fit 16 bits; weights are int8 [row][column].
FN void NAME(integer_wide)(const op *o, char *arena, char *temporary, int first, int images) {
  const int32_t *source = (const int32_t *)(arena + o->src0);
  int64_t channels = o->width / o->groups, rows = o->groups * o->rows, stride = rows + 64 + INTEGER_ROWS;
  uint64_t *words = (uint64_t *)temporary;
  int32_t *sums = (int32_t *)(words + GROUP * (stride / 64 + 1));
  for (int64_t p = 0; p < o->pixels; p++) {
    for (int lane = first; lane < first + images; lane++) {
      for (int64_t r = 0; r < rows; r++) {
        const int8_t *w = (const int8_t *)o->weights + r * o->depth;
        uint32_t sum = 0;
        for (int64_t t = 0; t < o->taps; t++, w += channels) {
          int64_t tap = o->windows ? o->windows[p * o->taps + t] : p;
          const int32_t *x = source + lane * o->lane_stride + (tap * o->width + r / o->rows * channels) * o->element_stride;
          for (int64_t c = 0; c < channels; c++)
            sum += (uint32_t)(w[c] * (tap < 0 ? (int32_t)o->fill : x[c * o->element_stride]));
        }
        sums[r] = (int32_t)sum;
      }
      NAME(integer_finish)(o, arena, p, lane, sums, words);
    }
    NAME(integer_spread)(o, arena, p, first, images, words);
  }
}

// ---- everything else -------------------------------------------------------------------------------

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

// ---- inputs and outputs ------------------------------------------------------------------------------

FN int NAME(has_nan)(const float *x, int64_t count) {
  int nan = 0;
  for (int64_t i = 0; i < count; i++) nan |= x[i] != x[i];
  return nan;
}

// The codes of one image, each `stride` apart.
FN void NAME(encode_integers)(const plan *e, const void *x, int type, int32_t *out) {
  const int64_t stride = e->element_stride;
  if (type == UINT8) {
    const uint8_t *bytes = x;
    int64_t row = 0;
    for (int64_t j = 0; j < e->features; j++) {
      out[j * stride] = e->table[row * 256 + bytes[e->source[j]]];
      if (++row == e->rows) row = 0;
    }
    return;
  }
  const float *reals = x;
  if (e->integral) {
    float low = e->steps[0] - 1, high = e->steps[0] + (float)(e->count - 1);
    int32_t base = (int32_t)e->smallest - (int32_t)low;
    for (int64_t j = 0; j < e->features; j++) {
      float value = reals[e->source[j]];
      value = value < low ? low : value > high ? high : value;
      int32_t whole = (int32_t)value;
      out[j * stride] = base + whole - (value < (float)whole);
    }
    return;
  }
  for (int64_t j = 0; j < e->features; j++) {
    const float *steps = e->steps + j % e->rows * e->count;
    float value = reals[e->source[j]];
    int64_t low = 0, count = e->count;
    while (count > 0) {
      int64_t half = count / 2, up = value >= steps[low + half];
      low += up ? half + 1 : 0;
      count = up ? count - half - 1 : half;
    }
    out[j * stride] = (int32_t)(e->smallest + low);
  }
}

// Returns the first image that holds a NaN, or -1.
FN int NAME(encode)(const plan *e, const char *x, int type, int images, char *arena) {
  float *reals = (float *)(arena + e->temporary);
  uint64_t *all_words = (uint64_t *)(reals + e->features);
  int64_t stride = e->features / 64;
  for (int l = 0; l < images; l++) {
    const char *image = x + l * e->elements * (type == UINT8 ? 1 : 4);
    if (type == FLOAT32 && NAME(has_nan)((const float *)image, e->elements)) return l;
    if (!e->bits) {
      NAME(encode_integers)(e, image, type, (int32_t *)(arena + e->dst) + l * e->lane_stride);
      continue;
    }
    uint64_t *words = all_words + l % GROUP * stride;
    const float *values = reals;
    if (type == UINT8 && e->identity)
      for (int64_t j = 0; j < e->elements; j++) reals[j] = ((const uint8_t *)image)[j];
    else if (type == UINT8)
      for (int64_t j = 0; j < e->features; j++) reals[j] = ((const uint8_t *)image)[e->source[j]];
    else if (e->identity)
      values = (const float *)image;
    else
      for (int64_t j = 0; j < e->features; j++) reals[j] = ((const float *)image)[e->source[j]];
    int64_t whole = e->features;
    if (values != reals && e->elements < e->features) {
      whole = e->elements / 64 * 64;
      memcpy(reals + whole, values + whole, (e->elements - whole) * sizeof(float));
      memset(reals + e->elements, 0, (e->features - e->elements) * sizeof(float));
      NAME(compare_floats)(reals + whole, e->thresholds + whole, e->features - whole, words + whole / 64);
    }
    NAME(compare_floats)(values, e->thresholds, whole, words);
    for (int64_t w = 0; w < e->features / 64; w++) words[w] ^= e->flips[w];
    if (l % GROUP == GROUP - 1 || l == images - 1)
      NAME(spread)(all_words, stride, l / GROUP * GROUP, l % GROUP + 1, e->units, (UNIT *)(arena + e->dst));
  }
  return -1;
}

// Accumulators of each image, or its `top` classes where top > 0.
FN void NAME(answer)(const plan *e, const char *arena, int images, int64_t top, int64_t *out) {
  const int32_t *result = (const int32_t *)(arena + e->result);
  int32_t *scores = (int32_t *)(arena + e->temporary);
  for (int l = 0; l < images; l++) {
    if (!top) {
      for (int64_t c = 0; c < e->classes; c++) *out++ = result[c * LANES + l];
      continue;
    }
    for (int64_t c = 0; c < e->classes; c++)
      scores[c] = e->scores[c * e->columns + (result[c * LANES + l] - e->low) / e->step];
    for (int64_t k = 0; k < top; k++) {
      int64_t best = 0;
      for (int64_t c = 1; c < e->classes; c++)
        if (scores[c] > scores[best]) best = c;
      scores[best] = INT32_MIN;  // below every rank
      *out++ = best;
    }
  }
}

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
#undef INTEGER_ROWS
#undef INTEGER_LANES
#undef IV
#undef IV_LOAD
#undef IV_STORE
#undef IV_ALL
#undef IV_DOT
#undef IV_ROWS
