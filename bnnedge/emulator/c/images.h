// Images in and answers out, for kernels.h.

// One image, 64 features to a word.
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
