// Integers of few bits to codes, the same for all channels: code = table[x].
//
// Input       Pe elements of InBits; x is taken as unsigned, word x of the table is its code.
// Throughput  one word per iteration, II = 1; a lane has a table of its own.
// Frame       one word.
#pragma once

#include <hls_stream.h>

#include "bnnedge/bits.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned Pe, unsigned InBits, unsigned OutBits, unsigned Frames, class Table>
void code_table(hls::stream<ap_uint<Pe * InBits>>& in, hls::stream<ap_uint<Pe * OutBits>>& out,
                unsigned images, const Table& table) {

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Pe * InBits> word = in.read();
    ap_uint<Pe * OutBits> codes;
    for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
      set_element<OutBits>(codes, p, table.read(p, element<InBits>(word, p).to_uint()));
    }
    out.write(codes);
  }
}

}  // namespace bnnedge
