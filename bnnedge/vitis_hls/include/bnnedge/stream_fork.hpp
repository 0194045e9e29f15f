// Every word of a stream to two streams, to each as soon as it has room.
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
  for (unsigned word = 0; word < images * Frames; ++word) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Width> data = in.read();
    out0.write(data);
    out1.write(data);
  }
}

}  // namespace bnnedge
