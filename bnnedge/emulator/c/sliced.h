// XNOR matrices on slices: a vector is one channel of LANES images, and counts of mismatches are binary
// numbers, one vector for each digit.
//
// Full adders take a running parity and two columns at a time. Parities are linear, so all rows share the
// images' part of them, and the count's lowest digit costs a row nothing. The carry of such an adder depends on
// three bits of a row: the parity of its weights so far, and the two weights. All eight carries are made once;
// a row picks its own and counts them. That is one full adder for two columns of LANES images.

#if defined(AVX512)
#define SV __m512i
#define SV_ALL(word) _mm512_set1_epi64((int64_t)(word))
#define SV_LOAD(at) _mm512_loadu_si512(at)
#define SV_STORE(at, v) _mm512_storeu_si512(at, v)
#define SV_XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define SV_MAJORITY(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xe8)
#else
#define SV __m256i
#define SV_ALL(word) _mm256_set1_epi64x((int64_t)(word))
#define SV_LOAD(at) _mm256_loadu_si256((const __m256i *)(at))
#define SV_STORE(at, v) _mm256_storeu_si256((__m256i *)(at), v)
#define SV_XOR3(a, b, c) ((a) ^ (b) ^ (c))
#define SV_MAJORITY(a, b, c) ((a) ^ (((a) ^ (b)) & ((a) ^ (c))))
#endif

#define CHUNK 64  // carries that are counted together, and
#define REST 8    // what is left of a row; plan.py lays weights out so, as offsets of picks in words of four

// All carries of `count` pairs of columns, by (parity of weights) · 4 + (first weight) · 2 + (second weight).
FN void NAME(carries)(const UNIT *const *columns, int64_t count, SV *parity, UNIT *table) {
  SV so_far = *parity;
  for (int64_t i = 0; i < count; i++, table += 8 * WORDS) {
    SV a = SV_LOAD(columns[2 * i]), b = SV_LOAD(columns[2 * i + 1]);
    for (int v = 0; v < 4; v++) {
      SV carry = SV_MAJORITY(so_far, v & 2 ? ~a : a, v & 1 ? ~b : b);
      SV_STORE(table + v * WORDS, carry);
      SV_STORE(table + (7 - v) * WORDS, ~carry);
    }
    so_far = SV_XOR3(so_far, a, b);
  }
  *parity = so_far;
}

// A full adder: adds two bits to `digit`, and gives the carry.
static inline __attribute__((always_inline)) ATTRIBUTE SV NAME(full_add)(SV *digit, SV a, SV b) {
  SV carry = SV_MAJORITY(*digit, a, b);
  *digit = SV_XOR3(*digit, a, b);
  return carry;
}

#define PICK(i) SV_LOAD(table + (i) * 8 * WORDS + weights[i] * (int64_t)(WORDS / 4))
#define COUNT2(i) NAME(full_add)(digits, PICK(i), PICK((i) + 1))
#define COUNT4(i) NAME(full_add)(digits + 1, COUNT2(i), COUNT2((i) + 2))
#define COUNT8(i) NAME(full_add)(digits + 2, COUNT4(i), COUNT4((i) + 4))
#define COUNT16(i) NAME(full_add)(digits + 3, COUNT8(i), COUNT8((i) + 8))
#define COUNT32(i) NAME(full_add)(digits + 4, COUNT16(i), COUNT16((i) + 16))
#define COUNT64(i) NAME(full_add)(digits + 5, COUNT32(i), COUNT32((i) + 32))

// Add a row's carries, CHUNK or REST of them, to its count; a fresh one is written, not read.
static inline __attribute__((always_inline)) ATTRIBUTE void NAME(count)(
    const UNIT *table, const uint8_t *weights, UNIT *sum, int64_t all_digits, const int carries, const int fresh) {
  const int low_digits = carries == CHUNK ? 6 : 3;
  SV digits[6];
#pragma GCC unroll 6
  for (int d = 0; d < low_digits; d++) digits[d] = fresh ? SV_ALL(0) : SV_LOAD(sum + d * WORDS);
  SV carry = carries == CHUNK ? COUNT64(0) : COUNT8(0);
#pragma GCC unroll 6
  for (int d = 0; d < low_digits; d++) SV_STORE(sum + d * WORDS, digits[d]);
  for (int64_t d = low_digits; d < all_digits; d++) {
    SV digit = fresh ? SV_ALL(0) : SV_LOAD(sum + d * WORDS);
    SV_STORE(sum + d * WORDS, digit ^ carry);
    carry &= digit;
  }
}

#undef PICK
#undef COUNT2
#undef COUNT4
#undef COUNT8
#undef COUNT16
#undef COUNT32
#undef COUNT64

// depth + correction - 2 · mismatches.
FN void NAME(integers)(const UNIT *sum, int64_t digits, const UNIT *parity, int32_t base, int32_t *out) {
  typedef int32_t some __attribute__((vector_size(sizeof(SV)), aligned(4)));
  const int count = sizeof(SV) / 4;
  some powers;
  for (int i = 0; i < count; i++) powers[i] = 1 << i;
  for (int l = 0; l < LANES; l += count) {
    // A comparison gives -1 where it holds.
    some value = base + 2 * (((int32_t)(parity[l / 64] >> l % 64) & powers) != 0);
    for (int64_t d = 0; d < digits; d++)
      value += (((int32_t)(sum[d * WORDS + l / 64] >> l % 64) & powers) != 0) << (d + 2);
    *(some *)(out + l) = value;
  }
}

FN void NAME(xnor)(const op *o, char *arena, char *temporary) {
  const UNIT *source = (const UNIT *)(arena + o->src0), *flips = o->flips, *odd = o->masks;
  int64_t all_rows = o->groups * o->rows, columns = o->taps * (o->width / o->groups);
  int64_t carries = (columns + 2 * REST - 1) / (2 * REST) * REST, digits = 0;
  while (1ll << digits <= carries) digits++;
  UNIT *table = (UNIT *)temporary, *constants = table + CHUNK * 8 * WORDS, *sums = constants + 2 * WORDS;
  const UNIT **column = (const UNIT **)(sums + o->rows * digits * WORDS);
  SV_STORE(constants, SV_ALL(0));
  SV_STORE(constants + WORDS, SV_ALL(o->fill ? -1 : 0));
  for (int64_t c = columns; c < 2 * carries; c++) column[c] = constants;
  for (int64_t p = 0; p < o->pixels; p++) {
    int64_t class = o->classes ? o->classes[p] : 0;
    for (int64_t g = 0; g < o->groups; g++) {
      int64_t channels = o->width / o->groups, first = g * o->rows;
      const uint8_t *weights = (const uint8_t *)o->weights + first * carries;
      for (int64_t t = 0, n = 0; t < o->taps; t++) {
        int64_t tap = o->windows ? o->windows[p * o->taps + t] : p;
        for (int64_t c = 0; c < channels; c++)
          column[n++] = tap < 0 ? constants + WORDS : source + (tap * o->width + g * channels + c) * WORDS;
      }
      SV parity = SV_ALL(0);
      for (int64_t at = 0; at < carries;) {
        int64_t some = carries - at < CHUNK ? REST : CHUNK;
        NAME(carries)(column + 2 * at, some, &parity, table);
        for (int64_t r = 0; r < o->rows; r++, weights += some) {
          UNIT *sum = sums + r * digits * WORDS;
          if (some == CHUNK && at)
            NAME(count)(table, weights, sum, digits, CHUNK, 0);
          else if (some == CHUNK)
            NAME(count)(table, weights, sum, digits, CHUNK, 1);
          else if (at)
            NAME(count)(table, weights, sum, digits, REST, 0);
          else
            NAME(count)(table, weights, sum, digits, REST, 1);
        }
        at += some;
      }
      for (int64_t r = 0; r < o->rows; r++) {
        const UNIT *sum = sums + r * digits * WORDS;
        SV lowest = parity ^ SV_ALL(odd[first + r]);
        if (!o->thresholds) {
          UNIT words[WORDS];
          SV_STORE(words, lowest);
          int32_t base = (int32_t)o->depth + (o->corrections ? o->corrections[class * all_rows + first + r] : 0);
          int32_t *out = (int32_t *)(arena + o->dst) + (p * all_rows + first + r) * LANES;
          NAME(integers)(sum, digits, words, base, out);
          if (o->low)
            for (int l = 0; l < LANES; l++) out[l] >>= o->low;
          continue;
        }
        // A digit of the count decides where it differs from the limit's; the limits are inverted.
        const UNIT *limit = (const UNIT *)o->thresholds + (class * all_rows + first + r) * (digits + 2);
        SV over = SV_ALL(limit[0]);
        over = SV_MAJORITY(lowest, SV_ALL(limit[1]), over);
        for (int64_t d = 0; d < digits; d++)
          over = SV_MAJORITY(SV_LOAD(sum + d * WORDS), SV_ALL(limit[d + 2]), over);
        SV_STORE((UNIT *)(arena + o->dst) + (p * all_rows + first + r) * WORDS, over ^ SV_ALL(flips[first + r]));
      }
    }
  }
}

// The transpose of a square of bits: swaps the halves off the diagonal of squares ever smaller.
static inline __attribute__((always_inline)) ATTRIBUTE void NAME(transpose)(uint64_t *square) {
  typedef uint64_t eight __attribute__((vector_size(64)));
  eight rows[8];
  memcpy(rows, square, sizeof rows);
#pragma GCC unroll 3
  for (int half = 32; half >= 8; half /= 2) {
    uint64_t mask = ~0ull / ((1ull << half) + 1);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
      if (!(r & half / 8)) {
        eight swap = (rows[r] >> half ^ rows[r + half / 8]) & mask;
        rows[r] ^= swap << half;
        rows[r + half / 8] ^= swap;
      }
  }
#define WITHIN(half, ...) \
  { \
    const uint64_t mask = ~0ull / ((1ull << half) + 1); \
    const eight order = {__VA_ARGS__}, upper = (eight)((order & half) == 0); \
    for (int r = 0; r < 8; r++) { \
      eight other = __builtin_shuffle(rows[r], order); \
      rows[r] = (upper & ((rows[r] & ~mask) | (other >> half & mask))) | \
                (~upper & ((rows[r] & mask) | (other & mask) << half)); \
    } \
  }
  WITHIN(4, 4, 5, 6, 7, 0, 1, 2, 3)
  WITHIN(2, 2, 3, 0, 1, 6, 7, 4, 5)
  WITHIN(1, 1, 0, 3, 2, 5, 4, 7, 6)
#undef WITHIN
  memcpy(square, rows, sizeof rows);
}

// Words of up to 64 images, `stride` apart → lanes `first` and on of `units` channels.
FN void NAME(spread)(const uint64_t *words, int64_t stride, int first, int images, int64_t units, UNIT *out) {
  for (int64_t u = 0; u < units; u += 64) {
    uint64_t square[64] = {0};
    for (int l = 0; l < images; l++) square[l] = words[l * stride + u / 64];
    NAME(transpose)(square);
    for (int64_t c = 0; c < 64 && u + c < units; c++) out[(u + c) * WORDS + first / 64] = square[c];
  }
}

#undef SV
#undef SV_ALL
#undef SV_LOAD
#undef SV_STORE
#undef SV_XOR3
#undef SV_MAJORITY
#undef CHUNK
#undef REST
