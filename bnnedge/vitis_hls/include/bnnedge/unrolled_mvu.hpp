// XNOR-popcount matrix-vector unit of constants: y = W·x over ±1, or its thresholded sign.
//
// Function    As xnor_mvu's, of all rows and columns at a time.
// Input       one word for a pixel: the groups' vectors, the first in the low bits.
// Memories    weights: the only word; element r, bit s is row r, column s of its group. table: see
//             result_stage; the only word. Masked: behind a row's weights come as many masks.
// Throughput  one pixel per iteration, II = 1.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/popcount.hpp"
#include "bnnedge/result_stage.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned MatrixWidth, unsigned MatrixHeight, unsigned Groups, bool Thresholded,
          bool Masked, unsigned Frames, class Weights, class Table>
void unrolled_mvu(
    hls::stream<ap_uint<Groups * MatrixWidth>>& in,
    hls::stream<ap_uint<MatrixHeight * (Thresholded ? 1 : clog2(MatrixWidth + 1) + 1)>>& out,
    unsigned images, const Weights& weights, const Table& table) {
  static_assert(MatrixHeight % Groups == 0, "unrolled_mvu: Groups must divide MatrixHeight");
  constexpr unsigned TOTAL_BITS =
      Thresholded ? clog2(MatrixWidth + 2) : clog2(MatrixWidth + 1) + 1;

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
#pragma HLS PIPELINE II=1 style=flp
    const ap_uint<Groups * MatrixWidth> vector = in.read();
    ap_uint<TOTAL_BITS> totals[MatrixHeight];
#pragma HLS ARRAY_PARTITION variable=totals complete
    for (unsigned row = 0; row < MatrixHeight; ++row) {
#pragma HLS UNROLL
      const unsigned group = row / (MatrixHeight / Groups);
      const ap_uint<MatrixWidth> inputs = element<MatrixWidth>(vector, group);
      const ap_uint<(1 + Masked) * MatrixWidth> own = weights.read(row, 0);
      const ap_uint<MatrixWidth> mask = own >> (Masked * MatrixWidth);
      ap_uint<MatrixWidth> agree = ~(ap_uint<MatrixWidth>(own) ^ inputs);
      if (Masked) agree &= mask;
      const ap_uint<TOTAL_BITS> count = popcount(agree);
      const unsigned summed = Masked ? popcount(mask).to_uint() : MatrixWidth;
      totals[row] = Thresholded ? count : ap_uint<TOTAL_BITS>(2 * count - summed);
    }
    out.write(
        result_stage<MatrixHeight, TOTAL_BITS, false, Thresholded, false>::results(totals, table, 0));
  }
}

}  // namespace bnnedge
