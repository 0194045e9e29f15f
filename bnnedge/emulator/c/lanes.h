// XNOR matrices on words of channels, one or several images side by side.

typedef struct {
  const UNIT *column;    // units of LANES; nibbles of AVX2 apart
  int64_t units;
  const void *weights;   // [row block][unit][row]
  int64_t first, rows;
  int64_t depth;
  const LIMIT *limits;   // a bit is set where mismatches exceed it
  UNIT *bits;
  const int32_t *corrections;
  int32_t *integers;
} NAME(matrix);
#define MATRIX NAME(matrix)

// ---- rows of a matrix -------------------------------------------------------------------------

#if defined(TRIPLES)

static inline __attribute__((always_inline)) ATTRIBUTE void NAME(block)(
    const MATRIX *m, const uint64_t *weights, int64_t first, const int count) {
  __m512i sums[8], pairs[8];
#pragma GCC unroll 8
  for (int j = 0; j < count; j++) sums[j] = pairs[j] = _mm512_setzero_si512();
  int64_t k = 0;
  // Of mismatches a, b, c in three words, the third holds a ^ b ^ c already, so a full adder is two
  // xors and one lookup, and two words are counted instead of three.
  for (; k + 3 <= m->units; k += 3) {
    const UNIT *column = m->column + k * LANES;
    __m512i x0 = _mm512_loadu_si512(column), x1 = _mm512_loadu_si512(column + LANES);
    __m512i x2 = _mm512_loadu_si512(column + 2 * LANES);
#pragma GCC unroll 8
    for (int j = 0; j < count; j++) {
      __m512i a = _mm512_xor_si512(x0, _mm512_set1_epi64((int64_t)weights[k * 8 + j]));
      __m512i b = _mm512_xor_si512(x1, _mm512_set1_epi64((int64_t)weights[k * 8 + 8 + j]));
      __m512i sum = _mm512_xor_si512(x2, _mm512_set1_epi64((int64_t)weights[k * 8 + 16 + j]));
      __m512i carry = _mm512_ternarylogic_epi64(a, b, sum, 0xd4);  // a & b | (a ^ b) & ~sum
      sums[j] = _mm512_add_epi64(sums[j], _mm512_popcnt_epi64(sum));
      pairs[j] = _mm512_add_epi64(pairs[j], _mm512_popcnt_epi64(carry));
    }
  }
  for (; k < m->units; k++) {
    __m512i x = _mm512_loadu_si512(m->column + k * LANES);
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
      sums[j] = _mm512_add_epi64(sums[j], _mm512_popcnt_epi64(_mm512_xor_si512(
                                              x, _mm512_set1_epi64((int64_t)weights[k * 8 + j]))));
  }
#pragma GCC unroll 8
  for (int j = 0; j < count; j++) sums[j] = _mm512_add_epi64(sums[j], _mm512_slli_epi64(pairs[j], 1));
  if (m->integers) {
#pragma GCC unroll 8
    for (int j = 0; j < count; j++) {
      int64_t base = m->depth + (m->corrections ? m->corrections[first + j] : 0);
      __m512i value = _mm512_sub_epi64(_mm512_set1_epi64(base), _mm512_slli_epi64(sums[j], 1));
      _mm256_storeu_si256((__m256i *)(m->integers + (first + j) * LANES), _mm512_cvtepi64_epi32(value));
    }
    return;
  }
  if (first / 64 == (first + count - 1) / 64) {
    UNIT *out = m->bits + first / 64 * LANES;
    __m512i bits = _mm512_loadu_si512(out);
#pragma GCC unroll 8
    for (int j = 0; j < count; j++) {
      __mmask8 over = _mm512_cmpgt_epi64_mask(sums[j], _mm512_set1_epi64(m->limits[first + j]));
      bits = _mm512_mask_or_epi64(bits, over, bits, _mm512_set1_epi64((int64_t)(1ull << ((first + j) % 64))));
    }
    _mm512_storeu_si512(out, bits);
    return;
  }
#pragma GCC unroll 8
  for (int j = 0; j < count; j++) {
    UNIT *out = m->bits + (first + j) / 64 * LANES;
    __m512i bits = _mm512_loadu_si512(out);
    __mmask8 over = _mm512_cmpgt_epi64_mask(sums[j], _mm512_set1_epi64(m->limits[first + j]));
    bits = _mm512_mask_or_epi64(bits, over, bits, _mm512_set1_epi64((int64_t)(1ull << ((first + j) % 64))));
    _mm512_storeu_si512(out, bits);
  }
}

FN void NAME(multiply)(const MATRIX *m) {
  const uint64_t *weights = m->weights;
  int64_t row = 0;
  for (; row + 8 <= m->rows; row += 8, weights += 8 * m->units)
    NAME(block)(m, weights, m->first + row, 8);
  int64_t rest = m->rows - row;
  if (rest & 4) { NAME(block)(m, weights, m->first + row, 4); row += 4; weights += 4; }
  if (rest & 2) { NAME(block)(m, weights, m->first + row, 2); row += 2; weights += 2; }
  if (rest & 1) NAME(block)(m, weights, m->first + row, 1);
}

#elif defined(AVX512)

// Eight rows in a vector, and `count` vectors.
static inline __attribute__((always_inline)) ATTRIBUTE void NAME(block)(
    const MATRIX *m, const uint64_t *weights, int64_t first, const int count) {
  __m512i sums[4];
#pragma GCC unroll 4
  for (int j = 0; j < count; j++) sums[j] = _mm512_setzero_si512();
  for (int64_t k = 0; k < m->units; k++) {
    __m512i x = _mm512_set1_epi64((int64_t)m->column[k]);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
      __m512i w = _mm512_loadu_si512(weights + (j * m->units + k) * 8);
      sums[j] = _mm512_add_epi64(sums[j], _mm512_popcnt_epi64(_mm512_xor_si512(x, w)));
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < count; j++) {
    int64_t row = first + 8 * j, rest = m->first + m->rows - row;
    __mmask8 rows = (__mmask8)(rest < 8 ? (1 << rest) - 1 : 255);
    if (m->integers) {
      __m512i base = _mm512_set1_epi64(m->depth);
      if (m->corrections) base = _mm512_add_epi64(base, _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(rows, m->corrections + row)));
      __m512i value = _mm512_sub_epi64(base, _mm512_slli_epi64(sums[j], 1));
      _mm256_mask_storeu_epi32(m->integers + row, rows, _mm512_cvtepi64_epi32(value));
    } else {
      uint64_t over = _mm512_mask_cmpgt_epi64_mask(rows, sums[j], _mm512_maskz_loadu_epi64(rows, m->limits + row));
      m->bits[row / 64] |= over << row % 64;
      if (row % 64 > 56 && over >> (64 - row % 64)) m->bits[row / 64 + 1] |= over >> (64 - row % 64);
    }
  }
}

FN void NAME(multiply)(const MATRIX *m) {
  const uint64_t *weights = m->weights;
  int64_t row = 0;
  for (; row + 24 < m->rows; row += 32, weights += 32 * m->units)
    NAME(block)(m, weights, m->first + row, 4);
  for (; row < m->rows; row += 8, weights += 8 * m->units) NAME(block)(m, weights, m->first + row, 1);
}

#elif defined(AVX2)

// By a nibble of weights, the mismatches of every nibble: no xor, and no mask per row.
static const uint8_t NAME(mismatches)[256] __attribute__((aligned(64))) = {
#define POP4(x) (((x) & 1) + ((x) >> 1 & 1) + ((x) >> 2 & 1) + ((x) >> 3 & 1))
#define ROW(w) POP4(w ^ 0), POP4(w ^ 1), POP4(w ^ 2), POP4(w ^ 3), POP4(w ^ 4), POP4(w ^ 5), POP4(w ^ 6), POP4(w ^ 7), \
               POP4(w ^ 8), POP4(w ^ 9), POP4(w ^ 10), POP4(w ^ 11), POP4(w ^ 12), POP4(w ^ 13), POP4(w ^ 14), POP4(w ^ 15)
  ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7),
  ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15)
#undef ROW
#undef POP4
};

static inline __attribute__((always_inline)) ATTRIBUTE void NAME(block)(
    const MATRIX *m, const uint16_t *weights, int64_t first, const int count) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i wide[4][4];
  for (int j = 0; j < count; j++)
    for (int i = 0; i < 4; i++) wide[j][i] = zero;
  for (int64_t start = 0; start < m->units; start += 31) {  // 31 · 8 mismatches fit a byte
    int64_t end = start + 31 < m->units ? start + 31 : m->units;
    __m256i sums[4][2];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) sums[j][0] = sums[j][1] = zero;
    for (int64_t k = start; k < end; k++) {
      const __m256i *x = (const __m256i *)(m->column + k * 2 * LANES);
      __m256i low0 = _mm256_loadu_si256(x), low1 = _mm256_loadu_si256(x + 1);
      __m256i high0 = _mm256_loadu_si256(x + 2), high1 = _mm256_loadu_si256(x + 3);
#pragma GCC unroll 4
      for (int j = 0; j < count; j++) {
        unsigned w = weights[k * 4 + j];
        __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(NAME(mismatches) + (w & 255))));
        __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(NAME(mismatches) + (w >> 8))));
        sums[j][0] = _mm256_add_epi8(sums[j][0], _mm256_shuffle_epi8(low, low0));
        sums[j][1] = _mm256_add_epi8(sums[j][1], _mm256_shuffle_epi8(low, low1));
        sums[j][0] = _mm256_add_epi8(sums[j][0], _mm256_shuffle_epi8(high, high0));
        sums[j][1] = _mm256_add_epi8(sums[j][1], _mm256_shuffle_epi8(high, high1));
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
      for (int i = 0; i < 2; i++) {
        wide[j][2 * i] = _mm256_add_epi16(wide[j][2 * i], _mm256_unpacklo_epi8(sums[j][i], zero));
        wide[j][2 * i + 1] = _mm256_add_epi16(wide[j][2 * i + 1], _mm256_unpackhi_epi8(sums[j][i], zero));
      }
  }
  for (int j = 0; j < count; j++) {
    int64_t row = first + j;
    if (m->integers) {
      __m256i base = _mm256_set1_epi32((int)m->depth + (m->corrections ? m->corrections[row] : 0));
      for (int i = 0; i < 2; i++) {
        __m256i halves[2] = {_mm256_permute2x128_si256(wide[j][2 * i], wide[j][2 * i + 1], 0x20),
                             _mm256_permute2x128_si256(wide[j][2 * i], wide[j][2 * i + 1], 0x31)};
        for (int h = 0; h < 4; h++) {
          __m128i part = h & 1 ? _mm256_extracti128_si256(halves[h / 2], 1) : _mm256_castsi256_si128(halves[h / 2]);
          __m256i value = _mm256_sub_epi32(base, _mm256_slli_epi32(_mm256_cvtepu16_epi32(part), 1));
          _mm256_storeu_si256((__m256i *)(m->integers + row * LANES + i * 32 + h * 8), value);
        }
      }
    } else {
      __m256i limit = _mm256_set1_epi16(m->limits[row]), bit = _mm256_set1_epi8((char)(1 << row % 8));
      __m256i *out = (__m256i *)(m->bits + row / 8 * LANES);
      for (int i = 0; i < 2; i++) {
        __m256i over = _mm256_packs_epi16(_mm256_cmpgt_epi16(wide[j][2 * i], limit),
                                          _mm256_cmpgt_epi16(wide[j][2 * i + 1], limit));
        _mm256_storeu_si256(out + i, _mm256_or_si256(_mm256_loadu_si256(out + i), _mm256_and_si256(over, bit)));
      }
    }
  }
}

FN void NAME(multiply)(const MATRIX *m) {
  const uint16_t *weights = m->weights;
  int64_t row = 0;
  for (; row + 4 <= m->rows; row += 4, weights += 4 * m->units)
    NAME(block)(m, weights, m->first + row, 4);
  for (; row < m->rows; row++, weights++) NAME(block)(m, weights, m->first + row, 1);
}

#elif defined(NEON)

FN void NAME(multiply)(const MATRIX *m) {
  const uint64_t *weights = m->weights;
  for (int64_t row = 0; row < m->rows; row += 8, weights += 8 * m->units) {
    int64_t count = m->rows - row < 8 ? m->rows - row : 8;
    for (int64_t j = 0; j < count; j++) {
      uint64x2_t wide[2] = {vdupq_n_u64(0), vdupq_n_u64(0)};
      for (int64_t start = 0; start < m->units; start += 31) {  // 31 · 8 mismatches fit a byte
        int64_t end = start + 31 < m->units ? start + 31 : m->units;
        uint8x16_t sums[2] = {vdupq_n_u8(0), vdupq_n_u8(0)};
        for (int64_t k = start; k < end; k++) {
          uint64x2_t w = vdupq_n_u64(weights[k * 8 + j]);
          for (int i = 0; i < 2; i++) {
            uint64x2_t x = vld1q_u64(m->column + k * LANES + 2 * i);
            sums[i] = vaddq_u8(sums[i], vcntq_u8(vreinterpretq_u8_u64(veorq_u64(x, w))));
          }
        }
        for (int i = 0; i < 2; i++)
          wide[i] = vpadalq_u32(wide[i], vpaddlq_u16(vpaddlq_u8(sums[i])));
      }
      int64_t at = m->first + row + j, counts[LANES];
      vst1q_s64(counts, vreinterpretq_s64_u64(wide[0]));
      vst1q_s64(counts + 2, vreinterpretq_s64_u64(wide[1]));
      for (int l = 0; l < LANES; l++)
        if (m->integers)
          m->integers[at * LANES + l] = (int32_t)(m->depth + (m->corrections ? m->corrections[at] : 0) - 2 * counts[l]);
        else
          m->bits[at / UNIT_BITS * LANES + l] |= (UNIT)(counts[l] > m->limits[at]) << at % UNIT_BITS;
    }
  }
}

#else

static inline ATTRIBUTE int64_t NAME(popcount)(uint64_t x) {
#if defined(PORTABLE)
  x -= x >> 1 & 0x5555555555555555ull;
  x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
  x += x >> 8;
  x += x >> 16;
  x += x >> 32;
  return (int64_t)(x & 127);
#else
  return __builtin_popcountll(x);
#endif
}

static inline __attribute__((always_inline)) ATTRIBUTE void NAME(block)(
    const MATRIX *m, const uint64_t *weights, int64_t first, const int count) {
  int64_t sums[8][LANES];
  memset(sums, 0, sizeof sums);
  for (int64_t k = 0; k < m->units; k++)
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
      for (int l = 0; l < LANES; l++)
        sums[j][l] += NAME(popcount)(m->column[k * LANES + l] ^ weights[k * 8 + j]);
  for (int j = 0; j < count; j++) {
    int64_t row = first + j;
    for (int l = 0; l < LANES; l++)
      if (m->integers)
        m->integers[row * LANES + l] = (int32_t)(m->depth + (m->corrections ? m->corrections[row] : 0) - 2 * sums[j][l]);
      else
        m->bits[row / UNIT_BITS * LANES + l] |= (UNIT)(sums[j][l] > m->limits[row]) << row % UNIT_BITS;
  }
}

FN void NAME(multiply)(const MATRIX *m) {
  const uint64_t *weights = m->weights;
  int64_t row = 0;
  for (; row + 8 <= m->rows; row += 8, weights += 8 * m->units)
    NAME(block)(m, weights, m->first + row, 8);
  for (; row < m->rows; row++, weights++) NAME(block)(m, weights, m->first + row, 1);
}

#endif

// Words of some images, `stride` apart → lanes `first` and on of `units` units.
FN void NAME(spread)(const uint64_t *words, int64_t stride, int first, int images, int64_t units, UNIT *out) {
  for (int l = first; l < first + images; l++, words += stride)
    for (int64_t u = 0; u < units; u++)
      out[u * LANES + l] = (UNIT)(words[u * UNIT_BITS / 64] >> u * UNIT_BITS % 64);
}

FN void NAME(put)(UNIT *column, const UNIT *x) {
#if defined(AVX2)
  for (int l = 0; l < LANES; l++) {
    column[l] = x[l] & 15;
    column[LANES + l] = x[l] >> 4;
  }
#else
  for (int l = 0; l < LANES; l++) column[l] = x[l];
#endif
}

#if defined(AVX2)
#define COLUMN_LANES (2 * LANES)
#else
#define COLUMN_LANES LANES
#endif

// The window of one group at one pixel, as one column.
FN void NAME(window)(const op *o, const UNIT *source, int64_t pixel, int64_t group, UNIT *column) {
  const int64_t *part = o->parts + 3 * group;
  const UNIT *masks = (const UNIT *)o->masks + group * o->width;
  const UNIT *fills = (const UNIT *)o->fills + group * o->width;
  for (int64_t t = 0; t < o->taps; t++) {
    int64_t tap = o->windows ? o->windows[pixel * o->taps + t] : pixel;
    for (int64_t u = part[0]; u < part[0] + part[1]; u++, column += COLUMN_LANES) {
      UNIT unit[LANES];
      if (tap < 0)
        for (int l = 0; l < LANES; l++) unit[l] = fills[u];
      else
        for (int l = 0; l < LANES; l++) unit[l] = source[(tap * o->width + u) * LANES + l] & masks[u];
      NAME(put)(column, unit);
    }
  }
}

FN void NAME(xnor)(const op *o, char *arena, char *temporary) {
  const UNIT *source = (const UNIT *)(arena + o->src0), *flips = o->flips;
  UNIT *column = (UNIT *)temporary;
  int64_t rows = o->groups * o->rows;
  for (int64_t p = 0; p < o->pixels; p++) {
    int64_t class = o->classes ? o->classes[p] : 0;
    MATRIX m = {.depth = o->depth, .rows = o->rows};
    if (o->thresholds) {
      m.limits = (const LIMIT *)o->thresholds + class * rows;
      m.bits = (UNIT *)(arena + o->dst) + p * o->out_width * LANES;
      memset(m.bits, 0, o->out_width * LANES * sizeof(UNIT));
    } else {
      m.corrections = o->corrections ? o->corrections + class * rows : 0;
      m.integers = (int32_t *)(arena + o->dst) + p * rows * LANES;
    }
    for (int64_t g = 0; g < o->groups; g++) {
      const int64_t *part = o->parts + 3 * g;
      m.column = column;
      m.units = o->taps * part[1];
      m.first = g * o->rows;
#if defined(AVX2)
      m.weights = (const uint16_t *)o->weights + part[2];
#else
      m.weights = (const UNIT *)o->weights + part[2];
#endif
#if defined(AVX2) || defined(TRIPLES)
      const int direct = 0;  // columns are changed
#else
      const int direct = !o->windows && o->groups == 1;
#endif
      if (direct)
        m.column = source + p * o->width * LANES;
      else
        NAME(window)(o, source, p, g, column);
#if defined(TRIPLES)
      for (int64_t k = 2; k < m.units; k += 3)
        for (int l = 0; l < LANES; l++)
          column[k * LANES + l] ^= column[(k - 1) * LANES + l] ^ column[(k - 2) * LANES + l];
#endif
      NAME(multiply)(&m);
    }
    if (o->thresholds)
      for (int64_t u = 0; u < o->out_width; u++)
        for (int l = 0; l < LANES; l++) m.bits[u * LANES + l] ^= flips[u];
    else if (o->low)
      for (int64_t i = 0; i < rows * LANES; i++) m.integers[i] >>= o->low;
  }
}

#undef MATRIX
#undef COLUMN_LANES
