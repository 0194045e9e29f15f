// Changes the width of a stream whose frames have FrameBits bits, any InBits to any OutBits.
//
// Function    A frame is ceil(FrameBits/InBits) input words and ceil(FrameBits/OutBits) output
//             words, lowest bits first. Surplus bits of the last input word are dropped, missing
//             bits of the last output word are zero; the next frame starts in a new word.
// Throughput  an output word per iteration, II = 1, and an input word in those in which less than
//             an output word is left.
// Frame       see above.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned InBits, unsigned OutBits, unsigned FrameBits, unsigned Frames>
void stream_width_converter(hls::stream<ap_uint<InBits>>& in, hls::stream<ap_uint<OutBits>>& out,
                            unsigned images) {
  constexpr unsigned CAPACITY = InBits + OutBits;
  constexpr unsigned IN_WORDS = (FrameBits + InBits - 1) / InBits;
  constexpr unsigned OUT_WORDS = (FrameBits + OutBits - 1) / OutBits;
  constexpr unsigned LAST_BITS = FrameBits - (IN_WORDS - 1) * InBits;

  ap_uint<CAPACITY> kept = 0;  // zero from bit `fill` on
  unsigned fill = 0, taken = 0, given = 0;
  unsigned to_give = images * Frames * OUT_WORDS;
  while (to_give > 0) {
#pragma HLS PIPELINE II=1 style=flp
    if (fill < OutBits && taken < IN_WORDS) {
      ap_uint<InBits> word = in.read();
      const bool last = ++taken == IN_WORDS;
      if (last) word &= ap_uint<InBits>(-1) >> (InBits - LAST_BITS);
      kept |= ap_uint<CAPACITY>(word) << fill;
      fill += last ? LAST_BITS : InBits;
    }
    if (fill >= OutBits || taken == IN_WORDS) {
      out.write(kept(OutBits - 1, 0));
      kept >>= OutBits;
      fill -= fill < OutBits ? fill : OutBits;
      --to_give;
      if (++given == OUT_WORDS) {
        given = 0;
        taken = 0;
      }
    }
  }
}

}  // namespace bnnedge
