// Index of the largest of Elements signed numbers; the lowest index among equals.
//
// Input       Elements / Pe words of Pe numbers, lowest index in the low bits of the first word.
// Throughput  one word per iteration, II = 1.
// Form        The best of a word, then one comparison with the best of the words before.
// Frame       Elements numbers.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Elements, unsigned Pe, unsigned ElementBits, unsigned Frames>
void arg_max(hls::stream<ap_uint<Pe * ElementBits>>& in,
             hls::stream<ap_uint<index_bits(Elements)>>& out, unsigned images) {
  constexpr unsigned WORDS = Elements / Pe;
  static_assert(WORDS * Pe == Elements, "arg_max: Pe must divide Elements");

  ap_uint<index_bits(Elements)> winner = 0;
  ap_int<ElementBits + 1> best = 0;
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned w = 0; w < WORDS; ++w) {
#pragma HLS PIPELINE II=1 style=flp
      const ap_uint<Pe * ElementBits> word = in.read();
      ap_int<ElementBits + 1> most = number<true>(element<ElementBits>(word, 0));
      unsigned lane = 0;
      for (unsigned p = 1; p < Pe; ++p) {
#pragma HLS UNROLL
        const ap_int<ElementBits + 1> value = number<true>(element<ElementBits>(word, p));
        if (value > most) {
          most = value;
          lane = p;
        }
      }
      if (w == 0 || most > best) {
        best = most;
        winner = w * Pe + lane;
      }
      if (w == WORDS - 1) out.write(winner);
    }
  }
}

}  // namespace bnnedge
