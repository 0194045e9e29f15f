// Executes a plan (bnnedge/emulator/plan.py) on blocks of images, one bit per ±1.
//
// A stream of bits is [pixel][unit][lane]: lane l of a unit holds the same channels of image l, so
// that no sum crosses lanes, and one word of weights serves all lanes. Sliced, a lane is a bit. A stream of integers is
// int32 [element][lane], or [lane][element] where only an integer matrix reads it.
//
// kernels.h is compiled once per instruction set; all give the same integers. plan.py, library.py and
// the two structures here describe the same fields.
#include <stdint.h>
#include <string.h>

typedef struct {
  int64_t kind;
  int64_t src0, src1, dst;  // offsets in the arena, in bytes
  int64_t pixels, taps;     // of the output; of each window
  int64_t width, out_width; // units of bits, or integers, of a source and of an output pixel
  int64_t groups, rows;     // of a matrix; rows of a group
  int64_t depth;            // columns of a row
  int64_t fill, low;        // low, of an XNOR matrix: places by which its integers are shifted
  int64_t element_stride, lane_stride;  // of the integers that a matrix reads
  const int32_t *windows;  // [pixels][taps]: source pixels, -1 for padding; NULL: pixel by pixel
  const int32_t *classes;  // [pixels]; NULL: all 0
  const void *weights;
  const void *thresholds;  // [class][row], or [channel][step]
  const int32_t *corrections;
  const void *flips;       // a unit for each of an output pixel
  const int64_t *parts;    // by group: first unit, units, offset of its weights
  const void *masks, *fills;  // [group][unit]
  const int32_t *map;
  int64_t map_length;
} op;

typedef struct {
  int64_t elements;  // of an input
  int64_t features;  // that are encoded; padded to 64 where they are bits
  int64_t identity;  // source[j] == j
  int64_t bits;
  const int32_t *source;
  const float *thresholds;  // of bits
  const uint64_t *flips;
  int64_t units;            // of bits, of an image
  const float *steps;       // of integers: [rows][count]
  const int32_t *table;     // [rows][256], by an 8-bit input
  int64_t rows, count, smallest;
  int64_t integral;         // steps are thresholds[0], thresholds[0] + 1, …
  int64_t dst, element_stride, lane_stride;

  int64_t result, classes, low, step, columns;
  const int32_t *scores;    // [classes][columns]

  int64_t temporary;
  int64_t count_ops;
  const op *ops;
} plan;

enum { XNOR, INTEGER, INTEGER_WIDE, POOL_BITS, POOL_MAX, POOL_SUM, THRESHOLD, MULTI_THRESHOLD, ADD,
       EXPAND, MOVE_BITS, GATHER, LOOK_UP };
enum { FLOAT32, UINT8 };
#define MOST_TABLE_INPUTS 8

#define CAT_(a, b) a##_##b
#define CAT(a, b) CAT_(a, b)
#define NAME(x) CAT(x, VARIANT)
#define FN static ATTRIBUTE

#if defined(__x86_64__)
#include <immintrin.h>

#define VARIANT avx512_one
#define ATTRIBUTE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,popcnt")))
#define UNIT uint64_t
#define LANES 1
#define LIMIT int64_t
#define AVX512
#include "kernels.h"
#undef AVX512

#define VARIANT avx512
#define ATTRIBUTE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,popcnt")))
#define UNIT uint64_t
#define LANES 8
#define LIMIT int64_t
#define AVX512
#define TRIPLES
#include "kernels.h"
#undef AVX512

#define VARIANT avx512_sliced
#define ATTRIBUTE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,popcnt")))
#define UNIT uint64_t
#define LANES 512
#define AVX512
#define SLICED
#include "kernels.h"
#undef AVX512

#define VARIANT avx2_sliced
#define ATTRIBUTE __attribute__((target("avx2,popcnt")))
#define UNIT uint64_t
#define LANES 256
#define AVX2
#define SLICED
#include "kernels.h"
#undef AVX2

#define VARIANT avx2
#define ATTRIBUTE __attribute__((target("avx2,popcnt")))
#define UNIT uint8_t
#define LANES 64
#define LIMIT int16_t
#define AVX2
#include "kernels.h"
#undef AVX2

#define VARIANT popcnt
#define ATTRIBUTE __attribute__((target("popcnt")))
#define UNIT uint64_t
#define LANES 1
#define LIMIT int64_t
#include "kernels.h"
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

#define VARIANT neon
#define ATTRIBUTE
#define UNIT uint64_t
#define LANES 4
#define LIMIT int64_t
#define NEON
#include "kernels.h"
#undef NEON
#endif

#define VARIANT portable
#define ATTRIBUTE
#define UNIT uint64_t
#define LANES 4
#define LIMIT int64_t
#define PORTABLE
#include "kernels.h"

// The variants that this processor runs, the fastest first.
const char *bnnedge_variants(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "avx512 avx2 popcnt portable";
  if (__builtin_cpu_supports("avx2")) return "avx2 popcnt portable";
  if (__builtin_cpu_supports("popcnt")) return "popcnt portable";
  return "portable";
#elif defined(__aarch64__)
  return "neon portable";
#else
  return "portable";
#endif
}

#if defined(__x86_64__)
// Counts words in registers, and says how many: what VPOPCNTQ can do at best.
__attribute__((target("avx512f,avx512vpopcntdq"))) int64_t bnnedge_roofline(int64_t rounds) {
#define COUNT(r) "vpopcntq %%zmm" #r ", %%zmm" #r "\n\t"
  for (int64_t n = 0; n < rounds; n++)
    __asm__ volatile(COUNT(0) COUNT(1) COUNT(2) COUNT(3) COUNT(4) COUNT(5) COUNT(6) COUNT(7) ::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
#undef COUNT
  return rounds * 64;
}
#endif
