// Integers to bits: bit c of a pixel is (x[c] >= T[c]) ^ invert[c].
//
// Input       Channels / Pe words of Pe elements for a pixel, channel 0 in the low bits of the
//             first.
// Table       word by word of a pixel: see result_stage. A threshold has one bit more than the
//             elements, so that there is one which none of them reaches.
// Throughput  one word per iteration, II = 1.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/result_stage.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned Channels, unsigned Pe, unsigned ElementBits, bool Signed, unsigned Frames,
          class Table>
void threshold(hls::stream<ap_uint<Pe * ElementBits>>& in, hls::stream<ap_uint<Pe>>& out,
               unsigned images, const Table& table) {
  static_assert(Channels % Pe == 0, "threshold: Pe must divide Channels");

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned fold = 0; fold < Channels / Pe; ++fold) {
#pragma HLS PIPELINE II=1 style=flp
      const ap_uint<Pe * ElementBits> word = in.read();
      ap_uint<ElementBits + 1> totals[Pe];
#pragma HLS ARRAY_PARTITION variable=totals complete
      for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
        totals[p] = number<Signed>(element<ElementBits>(word, p));
      }
      out.write(
          result_stage<Pe, ElementBits + 1, Signed, true, false>::results(totals, table, fold));
    }
  }
}

}  // namespace bnnedge
