// Indices of the K largest of Elements signed numbers, which fall; the lower first among equals.
//
// Input       Elements words of one number, lowest index first.
// Output      K words of one index, that of the largest first.
// Throughput  one number or one index per iteration, II = 1.
// Form        A sorted row of K numbers, each with a comparator. A number is put in front of the
//             first that is less, and the rest moves one place; so equals keep their order.
// Frame       Elements numbers.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Elements, unsigned K, unsigned ElementBits, unsigned Frames>
void top_k(hls::stream<ap_uint<ElementBits>>& in, hls::stream<ap_uint<index_bits(Elements)>>& out,
           unsigned images) {
  static_assert(K >= 1 && K <= Elements, "top_k: K must be from 1 to Elements");

  ap_int<ElementBits + 1> best[K] = {};
  ap_uint<index_bits(Elements)> index[K] = {};
#pragma HLS ARRAY_PARTITION variable=best complete
#pragma HLS ARRAY_PARTITION variable=index complete
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned step = 0; step < Elements + K; ++step) {
#pragma HLS PIPELINE II=1 style=flp
      if (step >= Elements) {
        out.write(index[step - Elements]);
        continue;
      }
      const ap_int<ElementBits + 1> value = number<true>(in.read());
      for (unsigned place = K; place-- > 0;) {
#pragma HLS UNROLL
        // Places from `step` on are not filled yet.
        const bool less = place >= step || value > best[place];
        const bool front = place == 0 || !(place > step || value > best[place - 1]);
        if (less) {
          best[place] = front ? value : best[place - 1];
          index[place] = front ? ap_uint<index_bits(Elements)>(step) : index[place - 1];
        }
      }
    }
  }
}

}  // namespace bnnedge
