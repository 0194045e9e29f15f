// More channels for every pixel: BeforeWords words of padding, its InWords words, AfterWords words
// of padding.
//
// Input       Lanes elements of ElementBits in a word; padding is words of Fill.
// Throughput  one output word per iteration, II = 1.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Lanes, unsigned ElementBits, unsigned Fill, unsigned BeforeWords,
          unsigned InWords, unsigned AfterWords, unsigned Frames>
void pad_channels(hls::stream<ap_uint<Lanes * ElementBits>>& in,
                  hls::stream<ap_uint<Lanes * ElementBits>>& out, unsigned images) {
  using word = ap_uint<Lanes * ElementBits>;
  const word fill = repeat<Lanes, ElementBits>(Fill);

  for (unsigned pixel = 0; pixel < images * Frames; ++pixel) {
    for (unsigned w = 0; w < BeforeWords + InWords + AfterWords; ++w) {
#pragma HLS PIPELINE II=1 style=flp
      // Less by BeforeWords, so what is before a pixel is beyond InWords, too.
      const bool passing = w - BeforeWords < InWords;
      out.write(passing ? in.read() : fill);
    }
  }
}

}  // namespace bnnedge
