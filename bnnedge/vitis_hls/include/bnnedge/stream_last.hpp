// A stream as an AXI4-Stream that marks the last of every Beats beats.
//
// Throughput  one beat per iteration, II = 1.
// Frame       Beats beats.
#pragma once

#include <hls_stream.h>

#include "bnnedge/axis.hpp"

namespace bnnedge {

template <unsigned Width, unsigned Beats, unsigned Frames>
void stream_last(hls::stream<ap_uint<Width>>& in, hls::stream<axis_beat<Width>>& out,
                 unsigned images) {
  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned b = 0; b < Beats; ++b) {
#pragma HLS PIPELINE II=1 style=flp
      axis_beat<Width> beat;
      beat.data = in.read();
      beat.keep = -1;
      beat.strb = -1;
      beat.last = b == Beats - 1;
      out.write(beat);
    }
  }
}

}  // namespace bnnedge
