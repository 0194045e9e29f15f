// One instruction set's version of every operation: see engine.c for the layout of streams.
// Takes VARIANT, ATTRIBUTE, UNIT (a word of channels), LANES (images of a block) and LIMIT.

#define UNIT_BITS ((int)(8 * sizeof(UNIT)))
#define INTEGER_ROWS 32  // plan.py lays weights of integer matrices out in such blocks
#define INTEGER_LANES 4

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

#if defined(AVX512)

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

// Words of one image → its lane of `units` units.
FN void NAME(scatter)(const uint64_t *words, int64_t units, int lane, UNIT *out) {
  for (int64_t u = 0; u < units; u++)
    out[u * LANES + lane] = (UNIT)(words[u * UNIT_BITS / 64] >> u * UNIT_BITS % 64);
}

// ---- XNOR matrices -------------------------------------------------------------------------------

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
#if defined(AVX2) || defined(AVX512)
      const int direct = 0;  // columns are changed
#else
      const int direct = !o->windows && o->groups == 1;
#endif
      if (direct)
        m.column = source + p * o->width * LANES;
      else
        NAME(window)(o, source, p, g, column);
#if defined(AVX512)
      for (int64_t k = 2; k < m.units; k += 3)
        for (int l = 0; l < LANES; l++)
          column[k * LANES + l] ^= column[(k - 1) * LANES + l] ^ column[(k - 2) * LANES + l];
#endif
      NAME(multiply)(&m);
    }
    if (o->thresholds)
      for (int64_t u = 0; u < o->out_width; u++)
        for (int l = 0; l < LANES; l++) m.bits[u * LANES + l] ^= flips[u];
  }
}

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
  NAME(compare_integers)(sums, o->thresholds, (rows + 63) / 64 * 64, words);
  for (int64_t w = 0; w < (rows + 63) / 64; w++) words[w] ^= ((const uint64_t *)o->flips)[w];
  NAME(scatter)(words, o->out_width, lane, (UNIT *)(arena + o->dst) + p * o->out_width * LANES);
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

FN void NAME(integer)(const op *o, char *arena, char *temporary, int images) {
  const int32_t *source = (const int32_t *)(arena + o->src0);
  int64_t pairs = (o->taps * (o->width / o->groups) + 1) / 2;
  int64_t stride = o->groups * o->rows + 64 + INTEGER_ROWS;
  uint64_t *words = (uint64_t *)temporary;
  int32_t *sums = (int32_t *)(words + stride / 64 + 1);
  int32_t *columns = sums + INTEGER_LANES * stride;
  for (int64_t p = 0; p < o->pixels; p++)
    for (int lane = 0; lane < images; lane += INTEGER_LANES) {
      int count = images - lane < INTEGER_LANES ? images - lane : INTEGER_LANES;
      for (int64_t g = 0; g < o->groups; g++) {
        for (int i = 0; i < count; i++)
          NAME(integer_window)(o, source + (lane + i) * o->lane_stride, p, g, (int16_t *)(columns + i * pairs));
        const int32_t *weights = (const int32_t *)o->weights + o->parts[g];
        if (count == INTEGER_LANES)
          NAME(dots)(columns, pairs, weights, o->rows, sums + g * o->rows, stride, INTEGER_LANES);
        else
          for (int i = 0; i < count; i++)
            NAME(dots)(columns + i * pairs, pairs, weights, o->rows, sums + i * stride + g * o->rows, stride, 1);
      }
      for (int i = 0; i < count; i++)
        NAME(integer_finish)(o, arena, p, lane + i, sums + i * stride, words);
    }
}

// Integers that do not fit 16 bits; weights are int8 [row][column].
FN void NAME(integer_wide)(const op *o, char *arena, char *temporary, int images) {
  const int32_t *source = (const int32_t *)(arena + o->src0);
  int64_t channels = o->width / o->groups, rows = o->groups * o->rows, stride = rows + 64 + INTEGER_ROWS;
  uint64_t *words = (uint64_t *)temporary;
  int32_t *sums = (int32_t *)(words + stride / 64 + 1);
  for (int64_t p = 0; p < o->pixels; p++)
    for (int lane = 0; lane < images; lane++) {
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
}

// ---- everything else -------------------------------------------------------------------------------

FN void NAME(pool_bits)(const op *o, char *arena) {
  const UNIT *source = (const UNIT *)(arena + o->src0), *flips = o->flips;
  UNIT *out = (UNIT *)(arena + o->dst);
  for (int64_t p = 0; p < o->pixels; p++)
    for (int64_t u = 0; u < o->width; u++, out += LANES) {
      UNIT any[LANES] = {0};
      for (int64_t t = 0; t < o->taps; t++) {
        int64_t tap = o->windows[p * o->taps + t];
        if (tap >= 0)
          for (int l = 0; l < LANES; l++) any[l] |= source[(tap * o->width + u) * LANES + l] ^ flips[u];
      }
      for (int l = 0; l < LANES; l++) out[l] = any[l] ^ flips[u];
    }
}

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

// Any rearrangement of bits: runs of (source, its unit, unit of the output, shift, mask).
FN void NAME(move_bits)(const op *o, char *arena) {
  UNIT *out = (UNIT *)(arena + o->dst);
  const UNIT *start = o->fills, *masks = o->masks;
  for (int64_t u = 0; u < o->pixels * o->out_width; u++)
    for (int l = 0; l < LANES; l++) out[u * LANES + l] = start[u];
  for (int64_t i = 0; i < o->map_length; i++) {
    const int32_t *run = o->map + 4 * i;
    const UNIT *x = (const UNIT *)(arena + (run[0] ? o->src1 : o->src0)) + (int64_t)run[1] * LANES;
    UNIT *y = out + (int64_t)run[2] * LANES;
    if (run[3] >= 0)
      for (int l = 0; l < LANES; l++) y[l] |= (UNIT)((UNIT)(x[l] << run[3]) & masks[i]);
    else
      for (int l = 0; l < LANES; l++) y[l] |= (UNIT)((x[l] >> -run[3]) & masks[i]);
  }
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
  uint64_t *words = (uint64_t *)(reals + e->features);
  for (int l = 0; l < images; l++) {
    const char *image = x + l * e->elements * (type == UINT8 ? 1 : 4);
    if (type == FLOAT32 && NAME(has_nan)((const float *)image, e->elements)) return l;
    if (!e->bits) {
      NAME(encode_integers)(e, image, type, (int32_t *)(arena + e->dst) + l * e->lane_stride);
      continue;
    }
    const float *values = reals;
    if (type == UINT8)
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
    NAME(scatter)(words, e->units, l, (UNIT *)(arena + e->dst));
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
          case INTEGER: NAME(integer)(o, arena, temporary, count); break;
          case INTEGER_WIDE: NAME(integer_wide)(o, arena, temporary, count); break;
          case POOL_BITS: NAME(pool_bits)(o, arena); break;
          case POOL_MAX:
          case POOL_SUM: NAME(pool_integers)(o, arena); break;
          case THRESHOLD: NAME(threshold)(o, arena); break;
          case MULTI_THRESHOLD: NAME(multi_threshold)(o, arena); break;
          case ADD: NAME(add)(o, arena); break;
          case EXPAND: NAME(expand)(o, arena); break;
          case MOVE_BITS: NAME(move_bits)(o, arena); break;
          case GATHER: NAME(gather)(o, arena); break;
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
#undef UNIT_BITS
#undef INTEGER_ROWS
#undef INTEGER_LANES
#undef MATRIX
#undef COLUMN_LANES
#undef IV
#undef IV_LOAD
#undef IV_STORE
#undef IV_ALL
#undef IV_DOT
#undef IV_ROWS
