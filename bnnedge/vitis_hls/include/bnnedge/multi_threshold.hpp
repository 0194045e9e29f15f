// Integers to codes: code = Low + #{i : x >= t[c][i]}, or Low + Thresholds − #{…} where c is
// inverted.
//
// Function    Thresholds of a channel ascend. They are one to 255; STAGES = ⌈log2(Thresholds + 1)⌉.
// Input       Channels / Pe words of Pe elements for a pixel, two's complement of InBits, channel 0
//             in the low bits of the first.
// Memories    inverts: word f, bit p: channel f·Pe + p is inverted. stages: stage j has 2^j
//             thresholds (ThresholdBits, two's complement) for each fold of channels, or for all
//             where they are Shared; the word of the bits found before is, of the thresholds filled
//             up to 2^STAGES − 1 with ones that no x reaches, the one halfway.
// Throughput  one word per iteration, II = 1.
// Form        Binary search, a stage for every bit of the count: STAGES comparators a lane instead
//             of one for every threshold.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <int InBits>
unsigned search(const ap_uint<InBits>&, unsigned, unsigned, unsigned found) {
#pragma HLS INLINE
  return found;
}

// Appends to `found` a bit for each of the remaining stages.
template <int InBits, class Stage, class... Stages>
unsigned search(const ap_uint<InBits>& x, unsigned lane, unsigned row, unsigned found,
                const Stage& stage, const Stages&... rest) {
#pragma HLS INLINE
  const auto threshold = stage.read(lane, row | found);
  const bool reached = number<true>(x) >= number<true>(threshold);
  return search(x, lane, row << 1, found << 1 | reached, rest...);
}

template <unsigned Channels, unsigned Pe, unsigned InBits, unsigned OutBits, unsigned Thresholds,
          int Low, bool Shared, unsigned Frames, class Inverts, class... Stages>
void multi_threshold(hls::stream<ap_uint<Pe * InBits>>& in,
                     hls::stream<ap_uint<Pe * OutBits>>& out, unsigned images,
                     const Inverts& inverts, const Stages&... stages) {
  constexpr unsigned STAGES = clog2(Thresholds + 1);
  constexpr unsigned MOST = (1u << STAGES) - 1;
  constexpr int FILLED = MOST - Thresholds;
  static_assert(Channels % Pe == 0, "multi_threshold: Pe must divide Channels");
  static_assert(sizeof...(Stages) == STAGES, "multi_threshold: a memory for every stage");

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned fold = 0; fold < Channels / Pe; ++fold) {
#pragma HLS PIPELINE II=1 style=flp
      const ap_uint<Pe * InBits> word = in.read();
      const ap_uint<Pe> inverted = inverts.read(0, fold);
      ap_uint<Pe * OutBits> codes;
      for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
        const unsigned count = search(element<InBits>(word, p), p, Shared ? 0 : fold, 0, stages...);
        // The complement of a count also counts what was filled up.
        const int code = inverted[p] ? Low - FILLED + int(MOST - count) : Low + int(count);
        set_element<OutBits>(codes, p, ap_uint<OutBits>(code));
      }
      out.write(codes);
    }
  }
}

}  // namespace bnnedge
