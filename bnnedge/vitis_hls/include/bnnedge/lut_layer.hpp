// Tables of a few bits each: y[m] is the bit of table m that its inputs are the number of.
//
// Input       one word of Channels bits for a pixel.
// Memories    wiring: the only word; element m has the channels of table m's FanIn inputs, IndexBits
//             each, the lowest bit of the table's index first. tables: the only word; element m, bit
//             i is what table m gives for index i.
// Throughput  one pixel per iteration, II = 1.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned Channels, unsigned Count, unsigned FanIn, unsigned IndexBits, unsigned Frames,
          class Wiring, class Tables>
void lut_layer(hls::stream<ap_uint<Channels>>& in, hls::stream<ap_uint<Count>>& out,
               unsigned images, const Wiring& wiring, const Tables& tables) {
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Channels> pixel = in.read();
    ap_uint<Count> word;
    for (unsigned m = 0; m < Count; ++m) {
#pragma HLS UNROLL
      const ap_uint<FanIn * IndexBits> wires = wiring.read(m, 0);
      const ap_uint<(1u << FanIn)> table = tables.read(m, 0);
      ap_uint<FanIn> index;
      for (unsigned j = 0; j < FanIn; ++j) {
#pragma HLS UNROLL
        const ap_uint<IndexBits> channel = wires.range((j + 1) * IndexBits - 1, j * IndexBits);
        index[j] = pixel[channel.to_uint()];
      }
      word[m] = table[index.to_uint()];
    }
    out.write(word);
  }
}

}  // namespace bnnedge
