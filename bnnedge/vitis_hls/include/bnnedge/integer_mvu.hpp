// Folded matrix-vector unit on integers: y = W·x, or its thresholded sign.
//
// Function    With a[r] = Σ (W[r, c] ? x[c] : −x[c] − 1) over the MatrixWidth columns, which is the
//             dot product less a constant of the row, the number of its −1 weights: Thresholded =
//             0: element r is a[r] + C[r], two's complement, as wide as the largest dot product
//             needs; Thresholded = 1: bit r is (a[r] >= T[r]) ^ invert[r], with T less by that
//             constant, too. With MagnitudeBits every term of the sum is multiplied by its weight's
//             magnitude, and the constant is the sum of its negative weights'.
// Folding     as xnor_mvu.
// Memories    as xnor_mvu, without classes; with MagnitudeBits an element has Simd signs, then as
//             many magnitudes.
// Form        −x − 1 is ~x: a sign is one XOR in front of an adder tree, a magnitude of one bit an
//             AND behind it, and there is no DSP.
// Frame       one pixel.
#pragma once

#include <hls_stream.h>

#include "bnnedge/mvu_fold.hpp"
#include "bnnedge/result_stage.hpp"
#include "bnnedge/rom.hpp"

namespace bnnedge {

// Bits of a total; dot products reach MatrixWidth times the largest magnitudes of an element and of
// a weight.
constexpr unsigned integer_total_bits(unsigned matrix_width, unsigned element_bits, bool is_signed,
                                      unsigned magnitude_bits, bool thresholded) {
  const unsigned long long reach =
      is_signed ? 1ull << (element_bits - 1) : (1ull << element_bits) - 1;
  const unsigned long long ones =
      matrix_width * (magnitude_bits > 1 ? (1ull << magnitude_bits) - 1 : 1ull);
  const unsigned long long limit = ones * reach;
  return 1 + clog2(thresholded ? limit + ones + 2 : limit + 1);
}

template <unsigned MatrixWidth, unsigned MatrixHeight, unsigned Groups, unsigned Pe, unsigned Simd,
          bool Thresholded, unsigned ElementBits, bool Signed, unsigned MagnitudeBits,
          unsigned Frames, class Weights, class Table>
void integer_mvu(
    hls::stream<ap_uint<Simd * ElementBits>>& in,
    hls::stream<ap_uint<Pe * (Thresholded ? 1
                                          : integer_total_bits(MatrixWidth, ElementBits, Signed,
                                                               MagnitudeBits, Thresholded))>>& out,
    unsigned images, const Weights& weights, const Table& table) {
  using folds = mvu_fold<MatrixWidth, MatrixHeight, Groups, Pe, Simd, Simd * ElementBits>;
  constexpr unsigned SF = folds::SF;
  constexpr unsigned TOTAL_BITS =
      integer_total_bits(MatrixWidth, ElementBits, Signed, MagnitudeBits, Thresholded);

  folds vector;
  ap_uint<TOTAL_BITS> totals[Pe];
#pragma HLS ARRAY_PARTITION variable=totals complete

  for (unsigned frame = 0; frame < images * Frames; ++frame) {
    for (unsigned group = 0; group < Groups; ++group) {
      for (unsigned nf = 0; nf < folds::NF; ++nf) {
        for (unsigned sf = 0; sf < SF; ++sf) {
#pragma HLS PIPELINE II=1 style=flp
          const unsigned fold = group * folds::NF + nf;
          const ap_uint<Simd * ElementBits> word = vector.word(in, nf, sf);

          for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
            const ap_uint<Simd * (1 + MagnitudeBits)> row = weights.read(p, fold * SF + sf);
            ap_int<TOTAL_BITS> sum = sf == 0 ? ap_uint<TOTAL_BITS>(0) : totals[p];
            for (unsigned s = 0; s < Simd; ++s) {
#pragma HLS UNROLL
              const ap_int<ElementBits + 1> x = number<Signed>(element<ElementBits>(word, s));
              const ap_int<ElementBits + 1> term = row[s] ? x : ap_int<ElementBits + 1>(~x);
              if (MagnitudeBits == 0) sum += term;
              for (unsigned k = 0; k < MagnitudeBits; ++k) {
#pragma HLS UNROLL
                if (row[Simd + s * MagnitudeBits + k]) sum += ap_int<TOTAL_BITS>(term) << k;
              }
            }
            totals[p] = sum;
          }
          if (sf == SF - 1) {
            out.write(result_stage<Pe, TOTAL_BITS, true, Thresholded, !Thresholded>::results(
                totals, table, fold));
          }
        }
      }
    }
  }
}

}  // namespace bnnedge
