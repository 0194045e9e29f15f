// Pools windows of any kind, overlapping ones above all: OR or AND of bits, sums or maxima of
// integers.
//
// Function    Elements, Lanes of them in a word, Channels / Lanes words in a pixel, pixels row by
//             row; one pixel comes out for every window. Padding is left out.
// Memories    see pool.
// Throughput  a word in and a tap per iteration, II = 1; neither waits for the other.
// Form        A line buffer whose groups are words gives all taps of a word in a row, so one word
//             holds the partial result.
// Frame       one feature map.
#pragma once

#include <hls_stream.h>

#include "bnnedge/line_buffer.hpp"
#include "bnnedge/pool_combine.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <bool Sum, bool Max, bool Signed, unsigned ElementBits, unsigned ResultBits,
          unsigned Channels, unsigned Lanes, unsigned InHeight, unsigned InWidth,
          unsigned KernelHeight, unsigned KernelWidth, unsigned StrideHeight, unsigned StrideWidth,
          unsigned DilationHeight, unsigned DilationWidth, unsigned PadTop, unsigned PadLeft,
          unsigned PadBottom, unsigned PadRight, unsigned Depth, unsigned Frames,
          class Conjunctions>
void pool_window(hls::stream<ap_uint<Lanes * ElementBits>>& in,
                 hls::stream<ap_uint<Lanes * ResultBits>>& out, unsigned images,
                 const Conjunctions& conjunctions) {
  constexpr unsigned WORDS = Channels / Lanes;
  constexpr unsigned TAPS = KernelHeight * KernelWidth;
  using result = ap_uint<Lanes * ResultBits>;
  using lines = line_buffer<Lanes * ElementBits, WORDS, WORDS, InHeight, InWidth, KernelHeight,
                            KernelWidth, StrideHeight, StrideWidth, DilationHeight, DilationWidth,
                            PadTop, PadLeft, PadBottom, PadRight, Depth>;
  static_assert(WORDS * Lanes == Channels, "pool_window: Lanes must divide Channels");

  lines buffer(images * Frames);
  result partial = 0;
  bool first = true;  // of a window's taps that are not padding
  unsigned tap = 0, w = 0;
  while (buffer.busy()) {
#pragma HLS PIPELINE II=1 style=flp
    const bool ready = buffer.ready();
    const bool room = buffer.room();
    const bool last = tap == TAPS - 1;
    if (ready && !(last && out.full())) {
      const bool padding = buffer.padding();
      const ap_uint<Lanes * ElementBits> word = buffer.get();
      const result combined = pool_combine<Sum, Max, Signed, Lanes, ElementBits, ResultBits>(
          first, conjunctions.read(0, w), partial, word);
      if (!padding) {
        partial = combined;
        first = false;
      }
      if (last) {
        out.write(first ? result(0) : partial);
        first = true;
        w = w == WORDS - 1 ? 0 : w + 1;
      }
      tap = last ? 0 : tap + 1;
    }
    if (room && (!ready || !in.empty())) buffer.put(in.read());
  }
}

}  // namespace bnnedge
