// Folded XNOR-popcount matrix-vector unit: y = W·x over ±1, or its thresholded sign.
//
// Function    With p[r] = number of columns where W[r] and x agree (0 ... MatrixWidth):
//             Thresholded = 0: element r is the dot product 2·p[r] − MatrixWidth, two's complement,
//             clog2(MatrixWidth + 1) + 1 bits, plus C[r] if Corrected; Thresholded = 1: bit r is
//             (p[r] >= T[r]) ^ invert[r]. Masked: a column whose mask is 0 does not agree, and C[r]
//             makes up for what it takes off the dot product.
// Folding     for g in Groups, for nf in MatrixHeight/Groups/Pe, for sf in MatrixWidth/Simd: one
//             iteration (II = 1) each. Row is g·MatrixHeight/Groups + nf·Pe + pe, column is
//             sf·Simd + s of the g-th vector, which is taken while nf = 0 and replayed afterwards.
// Memories    weights: word (g·NF + nf)·SF + sf; element pe, bit s; Masked: Simd weights, then as
//             many masks. table: see result_stage; its
//             address is row class, column class and fold, each in as many bits as it needs. rows,
//             columns: what the classes of a pixel's row and column add to that address.
// Frame       OutHeight·OutWidth pixels.
#pragma once

#include <hls_stream.h>

#include "bnnedge/mvu_fold.hpp"
#include "bnnedge/popcount.hpp"
#include "bnnedge/result_stage.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

template <unsigned MatrixWidth, unsigned MatrixHeight, unsigned Groups, unsigned Pe, unsigned Simd,
          bool Thresholded, bool Corrected, bool Masked, unsigned OutHeight, unsigned OutWidth,
          unsigned RowClasses, unsigned ColumnClasses, unsigned Frames, class Weights, class Table,
          class Rows, class Columns>
void xnor_mvu(
    hls::stream<ap_uint<Simd>>& in,
    hls::stream<ap_uint<Pe * (Thresholded ? 1 : clog2(MatrixWidth + 1) + 1)>>& out,
    unsigned images, const Weights& weights, const Table& table, const Rows& rows,
    const Columns& columns) {
  using folds = mvu_fold<MatrixWidth, MatrixHeight, Groups, Pe, Simd, Simd>;
  constexpr unsigned SF = folds::SF;
  constexpr unsigned COUNT_BITS = clog2(MatrixWidth + 1);
  constexpr unsigned TOTAL_BITS = Thresholded ? clog2(MatrixWidth + 2) : COUNT_BITS + 1;
  constexpr unsigned FOLD_BITS = clog2(Groups * folds::NF);
  constexpr unsigned COLUMN_BITS = clog2(ColumnClasses);

  folds vector;
  ap_uint<COUNT_BITS> counts[Pe];
#pragma HLS ARRAY_PARTITION variable=counts complete

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned y = 0; y < OutHeight; ++y) {
      for (unsigned x = 0; x < OutWidth; ++x) {
        for (unsigned group = 0; group < Groups; ++group) {
          for (unsigned nf = 0; nf < folds::NF; ++nf) {
            for (unsigned sf = 0; sf < SF; ++sf) {
#pragma HLS PIPELINE II=1 style=flp
              const unsigned fold = group * folds::NF + nf;
              const ap_uint<Simd> word = vector.word(in, nf, sf);

              ap_uint<TOTAL_BITS> totals[Pe];
#pragma HLS ARRAY_PARTITION variable=totals complete
              for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
                const ap_uint<(1 + Masked) * Simd> row = weights.read(p, fold * SF + sf);
                ap_uint<Simd> agree = ~(ap_uint<Simd>(row) ^ word);
                if (Masked) agree &= ap_uint<Simd>(row >> (Masked * Simd));
                const ap_uint<COUNT_BITS> before = sf == 0 ? ap_uint<COUNT_BITS>(0) : counts[p];
                counts[p] = before + popcount(agree);
                totals[p] = Thresholded ? ap_uint<TOTAL_BITS>(counts[p])
                                        : ap_uint<TOTAL_BITS>(2 * counts[p] - MatrixWidth);
              }
              if (sf == SF - 1) {
                unsigned address = fold;
                if (RowClasses * ColumnClasses > 1) {
                  address |= rows.read(0, y).to_uint() << (COLUMN_BITS + FOLD_BITS);
                  address |= columns.read(0, x).to_uint() << FOLD_BITS;
                }
                out.write(result_stage<Pe, TOTAL_BITS, false, Thresholded, Corrected>::results(
                    totals, table, address));
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace bnnedge
