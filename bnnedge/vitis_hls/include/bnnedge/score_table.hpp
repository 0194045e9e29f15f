// Accumulators to scores that order the classes: score = table[class][(x + Reach) / Step].
//
// Function    x is in −Reach, −Reach + Step ... Reach; Step is a power of two. Scores are two's
//             complement of ScoreBits.
// Input       Elements / Pe words of Pe accumulators, lowest class in the low bits of the first.
// Memories    scores: lane p has the tables of the classes p, p + Pe, p + 2·Pe ..., one after the
//             other.
// Throughput  one word per iteration, II = 1.
// Frame       Elements accumulators.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned Elements, unsigned Pe, unsigned ElementBits, unsigned Reach, unsigned Step,
          unsigned ScoreBits, unsigned Frames, class Scores>
void score_table(hls::stream<ap_uint<Pe * ElementBits>>& in,
                 hls::stream<ap_uint<Pe * ScoreBits>>& out, unsigned images,
                 const Scores& scores) {
  constexpr unsigned SHIFT = clog2(Step);
  constexpr unsigned COLUMNS = ((2 * Reach) >> SHIFT) + 1;
  static_assert(Elements % Pe == 0, "score_table: Pe must divide Elements");
  static_assert((1u << SHIFT) == Step, "score_table: Step must be a power of two");

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned fold = 0; fold < Elements / Pe; ++fold) {
#pragma HLS PIPELINE II=1 style=flp
      const ap_uint<Pe * ElementBits> word = in.read();
      ap_uint<Pe * ScoreBits> found;
      for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
        const int x = number<true>(element<ElementBits>(word, p)).to_int();
        const unsigned column = unsigned(x + int(Reach)) >> SHIFT;
        set_element<ScoreBits>(found, p, scores.read(p, fold * COLUMNS + column));
      }
      out.write(found);
    }
  }
}

}  // namespace bnnedge
