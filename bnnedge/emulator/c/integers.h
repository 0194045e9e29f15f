// Matrices on integers, for kernels.h: rows in vectors, two columns of int16 at a time.

#define INTEGER_ROWS 32  // plan.py lays weights of integer matrices out in such blocks
#define INTEGER_LANES 4

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

// One image, 64 rows to a word.
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

#undef INTEGER_ROWS
#undef INTEGER_LANES
#undef IV
#undef IV_LOAD
#undef IV_STORE
#undef IV_ALL
#undef IV_DOT
#undef IV_ROWS
