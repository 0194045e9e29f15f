// One stream into two: every word goes to both outputs, each takes it when it has room.
//
// Throughput  one word per iteration, II = 1.
// Frame       one word.
#pragma once

#include <ap_int.h>
#include <hls_stream.h>

namespace bnnedge {

template <unsigned Width, unsigned Frames>
void stream_fork(hls::stream<ap_uint<Width>>& in, hls::stream<ap_uint<Width>>& out0,
                 hls::stream<ap_uint<Width>>& out1, unsigned images) {
  ap_uint<Width> data = 0;
  bool wanted0 = false, wanted1 = false;  // the word, by an output that has not taken it
  unsigned to_take = images * Frames;
  while (to_take > 0 || wanted0 || wanted1) {
#pragma HLS PIPELINE II=1 style=flp
    if (!wanted0 && !wanted1) {
      data = in.read();
      wanted0 = wanted1 = true;
      --to_take;
    }
    if (wanted0 && !out0.full()) {
      out0.write(data);
      wanted0 = false;
    }
    if (wanted1 && !out1.full()) {
      out1.write(data);
      wanted1 = false;
    }
  }
}

}  // namespace bnnedge
