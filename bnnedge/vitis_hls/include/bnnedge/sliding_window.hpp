// Sliding window (im2col): a feature map in, one vector of the window's pixels per output pixel.
//
// Function    Elements of ElementBits bits, Simd of them in a word, Channels / Simd words in a
//             pixel, pixels row by row. For every output pixel, row by row, the elements of its
//             window leave in the order [group][tap row][tap column][channel in group]; padding is
//             Fill.
// Throughput  a word in and a word out per iteration, II = 1; neither waits for the other.
// Form        see line_buffer.
// Frame       one feature map.
#pragma once

#include <hls_stream.h>

#include "bnnedge/line_buffer.hpp"

namespace bnnedge {

template <unsigned ElementBits, unsigned Channels, unsigned Simd, unsigned Groups,
          unsigned InHeight, unsigned InWidth, unsigned KernelHeight, unsigned KernelWidth,
          unsigned StrideHeight, unsigned StrideWidth, unsigned DilationHeight,
          unsigned DilationWidth, unsigned PadTop, unsigned PadLeft, unsigned PadBottom,
          unsigned PadRight, unsigned Depth, unsigned Fill, unsigned Frames>
void sliding_window(hls::stream<ap_uint<Simd * ElementBits>>& in,
                    hls::stream<ap_uint<Simd * ElementBits>>& out, unsigned images) {
  using word = ap_uint<Simd * ElementBits>;
  using lines = line_buffer<Simd * ElementBits, Channels / Simd, Groups, InHeight, InWidth,
                            KernelHeight, KernelWidth, StrideHeight, StrideWidth, DilationHeight,
                            DilationWidth, PadTop, PadLeft, PadBottom, PadRight, Depth>;
  static_assert(Channels % (Simd * Groups) == 0,
                "sliding_window: Simd must divide the channels of a group");

  const word fill = repeat<Simd, ElementBits>(Fill);
  lines buffer(images * Frames);
  while (buffer.busy()) {
#pragma HLS PIPELINE II=1 style=flp
    const bool ready = buffer.ready();
    const bool room = buffer.room();
    if (ready && !out.full()) {
      const bool padding = buffer.padding();
      const word tap = buffer.get();
      out.write(padding ? fill : tap);
    }
    if (room && (!ready || !in.empty())) buffer.put(in.read());
  }
}

}  // namespace bnnedge
