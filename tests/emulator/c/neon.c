// Rows of random and extreme matrices by NEON, and by plain C: equal, or the exit status is 1.
#include "engine.c"

#include <stdio.h>
#include <stdlib.h>

static uint64_t word(void) {
  uint64_t x = 0;
  for (int i = 0; i < 5; i++) x = x << 15 ^ (uint64_t)rand();
  return x;
}

int main(void) {
  static uint64_t column[100 * 4], weights[152 * 100], bits[2][3 * 4];
  static int64_t limits[150];
  static int32_t corrections[150], integers[2][150 * 4];
  for (int round = 0; round < 300; round++) {
    int units = 1 + rand() % 100, rows = 1 + rand() % 150, extreme = round % 5 == 0;
    for (int i = 0; i < 100 * 4; i++) column[i] = extreme ? ~0ull : word();
    for (int i = 0; i < 152 * 100; i++) weights[i] = extreme ? 0 : word();
    for (int i = 0; i < rows; i++) {
      limits[i] = units * 32 + rand() % 9 - 4;
      corrections[i] = rand() % 9;
    }
    memset(bits, 0, sizeof bits);
    memset(integers, 0, sizeof integers);
    for (int sums = 0; sums < 2; sums++) {
      matrix_neon neon = {.column = column, .units = units, .weights = weights, .rows = rows,
                          .depth = units * 64, .limits = limits, .bits = bits[0]};
      matrix_portable plain = {.column = column, .units = units, .weights = weights, .rows = rows,
                               .depth = units * 64, .limits = limits, .bits = bits[1]};
      if (sums) {
        neon.corrections = plain.corrections = corrections;
        neon.integers = integers[0];
        plain.integers = integers[1];
      }
      multiply_neon(&neon);
      multiply_portable(&plain);
    }
    if (memcmp(bits[0], bits[1], sizeof bits[0]) || memcmp(integers[0], integers[1], sizeof integers[0])) {
      printf("%d words, %d rows: NEON differs\n", units, rows);
      return 1;
    }
  }
  return 0;
}
