// Back of a unit that makes integers: thresholds or corrections.
//
// Function    Pe totals of TotalBits. Thresholded: bit p is (total[p] >= T[p]) ^ invert[p].
//             Corrected: element p is total[p] + C[p], modulo 2^TotalBits. Neither: the totals
//             themselves.
// Table       an element is T or C in its low TotalBits bits, then invert.
#pragma once

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Pe, unsigned TotalBits, bool Signed, bool Thresholded, bool Corrected>
struct result_stage {
  static constexpr unsigned OUT_BITS = Thresholded ? 1 : TotalBits;
  static constexpr unsigned ENTRY_BITS = TotalBits + (Thresholded ? 1 : 0);

  template <class Table>
  static ap_uint<Pe * OUT_BITS> results(const ap_uint<TotalBits> (&totals)[Pe], const Table& table,
                                        unsigned address) {
#pragma HLS INLINE
    ap_uint<Pe * OUT_BITS> word;
    for (unsigned p = 0; p < Pe; ++p) {
#pragma HLS UNROLL
      const ap_uint<TotalBits> total = totals[p];
      if (Thresholded || Corrected) {
        const ap_uint<ENTRY_BITS> entry = table.read(p, address);
        const ap_uint<TotalBits> low = entry(TotalBits - 1, 0);
        const bool invert = entry[ENTRY_BITS - 1];
        const bool reached = number<Signed>(total) >= number<Signed>(low);
        const ap_uint<OUT_BITS> result =
            Thresholded ? ap_uint<OUT_BITS>(reached != invert) : ap_uint<OUT_BITS>(total + low);
        set_element<OUT_BITS>(word, p, result);
      } else {
        set_element<OUT_BITS>(word, p, ap_uint<OUT_BITS>(total));
      }
    }
    return word;
  }
};

}  // namespace bnnedge
