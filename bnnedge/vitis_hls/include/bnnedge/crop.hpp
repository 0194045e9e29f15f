// A feature map without its first Top rows and its first Left columns.
//
// Input       PixelWords words for a pixel, pixels row by row.
// Throughput  one input word per iteration, II = 1.
// Frame       one feature map.
#pragma once

#include <ap_int.h>
#include <hls_stream.h>

namespace bnnedge {

template <unsigned WordBits, unsigned PixelWords, unsigned Height, unsigned Width, unsigned Top,
          unsigned Left, unsigned Frames>
void crop(hls::stream<ap_uint<WordBits>>& in, hls::stream<ap_uint<WordBits>>& out,
          unsigned images) {
  static_assert(Top < Height && Left < Width, "crop: a row and a column must be left");

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned y = 0; y < Height; ++y) {
      for (unsigned x = 0; x < Width; ++x) {
        for (unsigned w = 0; w < PixelWords; ++w) {
#pragma HLS PIPELINE II=1 style=flp
          const ap_uint<WordBits> word = in.read();
          if (y + 1 > Top && x + 1 > Left) out.write(word);
        }
      }
    }
  }
}

}  // namespace bnnedge
