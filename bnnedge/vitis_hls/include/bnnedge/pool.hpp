// Pools windows that do not overlap: OR or AND of bits, sums or maxima of integers.
//
// Function    Elements, Lanes of them in a word, Channels / Lanes words in a pixel, pixels row by
//             row; one pixel comes out for every window, once its last pixel inside the feature map
//             has come. Padding is left out. Strides are at least as large as the kernel, and a
//             window begins less than a stride before the feature map.
// Memories    conjunctions, for bits: word c, bit l: AND instead of OR for channel c·Lanes + l.
// Throughput  one input word per iteration, II = 1.
// Form        A window's partial result is kept for every output column, in registers: a word of
//             the next pixel may need it in the next cycle.
// Frame       one feature map.
#pragma once

#include <hls_stream.h>

#include "bnnedge/pool_axis.hpp"
#include "bnnedge/pool_combine.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <bool Sum, bool Max, bool Signed, unsigned ElementBits, unsigned ResultBits,
          unsigned Channels, unsigned Lanes, unsigned InHeight, unsigned InWidth,
          unsigned KernelHeight, unsigned KernelWidth, unsigned StrideHeight, unsigned StrideWidth,
          unsigned PadTop, unsigned PadLeft, unsigned OutHeight, unsigned OutWidth, unsigned Frames,
          class Conjunctions>
void pool(hls::stream<ap_uint<Lanes * ElementBits>>& in,
          hls::stream<ap_uint<Lanes * ResultBits>>& out, unsigned images,
          const Conjunctions& conjunctions) {
  constexpr unsigned WORDS = Channels / Lanes;
  static_assert(WORDS * Lanes == Channels, "pool: Lanes must divide Channels");

  ap_uint<Lanes * ResultBits> partial[OutWidth * WORDS];
#pragma HLS ARRAY_PARTITION variable=partial complete
  pool_axis<InHeight, KernelHeight, StrideHeight, PadTop, OutHeight> rows;
  pool_axis<InWidth, KernelWidth, StrideWidth, PadLeft, OutWidth> columns;

  for (unsigned pixel = 0; pixel < images * Frames * InHeight * InWidth; ++pixel) {
    for (unsigned w = 0; w < WORDS; ++w) {
#pragma HLS PIPELINE II=1 style=flp
      const ap_uint<Lanes * ElementBits> word = in.read();
      if (rows.inside() && columns.inside()) {
        const unsigned place = columns.index() * WORDS + w;
        const ap_uint<Lanes * ResultBits> result =
            pool_combine<Sum, Max, Signed, Lanes, ElementBits, ResultBits>(
                rows.first() && columns.first(), conjunctions.read(0, w), partial[place], word);
        partial[place] = result;
        if (rows.last() && columns.last()) out.write(result);
      }
      if (w == WORDS - 1) {
        if (columns.end()) rows.step();
        columns.step();
      }
    }
  }
}

}  // namespace bnnedge
