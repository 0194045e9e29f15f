// Numbers of bits, and elements of a word: element i is bits i·Bits ... i·Bits + Bits − 1.
#pragma once

#include <ap_int.h>

namespace bnnedge {

// The least b with 2^b >= n.
constexpr unsigned clog2(unsigned long long n) {
  unsigned bits = 0;
  while ((1ull << bits) < n) ++bits;
  return bits;
}

// Bits of an index below n.
constexpr unsigned index_bits(unsigned n) { return n > 1 ? clog2(n) : 1; }

template <unsigned Bits, int Width>
ap_uint<Bits> element(const ap_uint<Width>& word, unsigned index) {
#pragma HLS INLINE
  return word((index + 1) * Bits - 1, index * Bits);
}

template <unsigned Bits, int Width>
void set_element(ap_uint<Width>& word, unsigned index, const ap_uint<Bits>& value) {
#pragma HLS INLINE
  word((index + 1) * Bits - 1, index * Bits) = value;
}

// What an element stands for: two's complement, or unsigned.
template <bool Signed, int Bits>
ap_int<Bits + 1> number(const ap_uint<Bits>& element) {
#pragma HLS INLINE
  ap_int<Bits + 1> value = element;
  if (Signed) value[Bits] = element[Bits - 1];
  return value;
}

// A word whose elements are all `value`.
template <unsigned Elements, unsigned Bits>
ap_uint<Elements * Bits> repeat(const ap_uint<Bits>& value) {
#pragma HLS INLINE
  ap_uint<Elements * Bits> word;
  for (unsigned i = 0; i < Elements; ++i) {
#pragma HLS UNROLL
    set_element<Bits>(word, i, value);
  }
  return word;
}

}  // namespace bnnedge
