// Widens each of Elements numbers from InBits to OutBits, or drops what they have above.
//
// Throughput  one word per iteration, II = 1.
// Frame       one word.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Elements, unsigned InBits, unsigned OutBits, bool Signed, unsigned Frames>
void resize_elements(hls::stream<ap_uint<Elements * InBits>>& in,
                     hls::stream<ap_uint<Elements * OutBits>>& out, unsigned images) {
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Elements * InBits> word = in.read();
    ap_uint<Elements * OutBits> resized;
    for (unsigned e = 0; e < Elements; ++e) {
#pragma HLS UNROLL
      set_element<OutBits>(resized, e, ap_uint<OutBits>(number<Signed>(element<InBits>(word, e))));
    }
    out.write(resized);
  }
}

}  // namespace bnnedge
