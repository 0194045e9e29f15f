// Weighted sum of two streams of numbers: out[i] = AFactor·a[i] + BFactor·b[i].
//
// Input       Lanes elements in a word, lowest index in the low bits: two's complement (Signed),
//             unsigned, or bits that stand for ±1 (Bipolar). Factors are constants other than 0.
// Output      OutBits of two's complement for each, which hold every result.
// Throughput  one word per iteration, II = 1.
// Frame       one word.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

// A number times a constant, modulo 2^OutBits.
template <unsigned Bits, bool Signed, bool Bipolar, int Factor, unsigned OutBits>
ap_int<OutBits> scale_element(const ap_uint<Bits>& x) {
#pragma HLS INLINE
  if (Bipolar) return x[0] ? Factor : -Factor;
  return number<Signed>(x) * Factor;
}

template <unsigned Lanes, unsigned ABits, bool ASigned, bool ABipolar, int AFactor, unsigned BBits,
          bool BSigned, bool BBipolar, int BFactor, unsigned OutBits, unsigned Frames>
void add(hls::stream<ap_uint<Lanes * ABits>>& a, hls::stream<ap_uint<Lanes * BBits>>& b,
         hls::stream<ap_uint<Lanes * OutBits>>& out, unsigned images) {
  static_assert(AFactor != 0 && BFactor != 0, "add: factors must not be 0");

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Lanes * ABits> left = a.read();
    const ap_uint<Lanes * BBits> right = b.read();
    ap_uint<Lanes * OutBits> sums;
    for (unsigned lane = 0; lane < Lanes; ++lane) {
#pragma HLS UNROLL
      const ap_int<OutBits> sum =
          scale_element<ABits, ASigned, ABipolar, AFactor, OutBits>(element<ABits>(left, lane)) +
          scale_element<BBits, BSigned, BBipolar, BFactor, OutBits>(element<BBits>(right, lane));
      set_element<OutBits>(sums, lane, ap_uint<OutBits>(sum));
    }
    out.write(sums);
  }
}

}  // namespace bnnedge
