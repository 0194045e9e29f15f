// Two streams into one: for every pixel AWords words of a, then BWords words of b.
//
// Throughput  one word per iteration, II = 1.
// Frame       one pixel.
#pragma once

#include <ap_int.h>
#include <hls_stream.h>

namespace bnnedge {

template <unsigned Width, unsigned AWords, unsigned BWords, unsigned Frames>
void concat(hls::stream<ap_uint<Width>>& a, hls::stream<ap_uint<Width>>& b,
            hls::stream<ap_uint<Width>>& out, unsigned images) {
  static_assert(AWords > 0 && BWords > 0, "concat: AWords and BWords must be at least 1");

  for (unsigned pixel = 0; pixel < images * Frames; ++pixel) {
    for (unsigned w = 0; w < AWords + BWords; ++w) {
#pragma HLS PIPELINE II=1 style=flp
      out.write(w < AWords ? a.read() : b.read());
    }
  }
}

}  // namespace bnnedge
