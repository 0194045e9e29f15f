// Dot products d of Synapses ±1 pairs to the numbers of pairs that agree, (d + Synapses) / 2.
//
// Throughput  one word per iteration, II = 1.
// Frame       one word.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Elements, unsigned Synapses, unsigned InBits, unsigned OutBits, unsigned Frames>
void match_count(hls::stream<ap_uint<Elements * InBits>>& in,
                 hls::stream<ap_uint<Elements * OutBits>>& out, unsigned images) {
  static_assert(OutBits >= clog2(Synapses + 1), "match_count: OutBits must hold Synapses");
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Elements * InBits> word = in.read();
    ap_uint<Elements * OutBits> counts;
    for (unsigned e = 0; e < Elements; ++e) {
#pragma HLS UNROLL
      const ap_int<InBits + 2> doubled = number<true>(element<InBits>(word, e)) + int(Synapses);
      set_element<OutBits>(counts, e, ap_uint<OutBits>(doubled >> 1));
    }
    out.write(counts);
  }
}

}  // namespace bnnedge
