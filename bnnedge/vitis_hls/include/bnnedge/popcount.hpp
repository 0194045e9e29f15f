// How many bits of a word are set.
#pragma once

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <int Width>
ap_uint<clog2(Width + 1)> popcount(const ap_uint<Width>& word) {
#pragma HLS INLINE
  ap_uint<clog2(Width + 1)> count = 0;
  for (int i = 0; i < Width; ++i) {
#pragma HLS UNROLL
    count += word[i];
  }
  return count;
}

}  // namespace bnnedge
