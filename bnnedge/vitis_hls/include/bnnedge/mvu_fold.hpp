// Front of a folded matrix-vector unit: its folds, and the words of the vector that they meet.
//
// Function    for nf in NF, for sf in SF: word sf of a vector, which is taken in the first fold and
//             replayed from a buffer in the others.
#pragma once

#include <ap_int.h>
#include <hls_stream.h>

namespace bnnedge {

template <unsigned MatrixWidth, unsigned MatrixHeight, unsigned Groups, unsigned Pe, unsigned Simd,
          unsigned WordBits>
class mvu_fold {
 public:
  static constexpr unsigned SF = MatrixWidth / Simd;
  static constexpr unsigned NF = MatrixHeight / Groups / Pe;
  static_assert(SF * Simd == MatrixWidth, "mvu: Simd must divide MatrixWidth");
  static_assert(NF * Groups * Pe == MatrixHeight, "mvu: Pe must divide the rows of a group");

  ap_uint<WordBits> word(hls::stream<ap_uint<WordBits>>& in, unsigned nf, unsigned sf) {
#pragma HLS INLINE
    const ap_uint<WordBits> word = nf == 0 ? in.read() : replay[sf];
    if (nf == 0) replay[sf] = word;
    return word;
  }

 private:
  ap_uint<WordBits> replay[SF];
};

}  // namespace bnnedge
