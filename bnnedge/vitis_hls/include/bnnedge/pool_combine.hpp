// What a pool keeps when another pixel of its window comes: OR or AND of bits, sums or maxima of
// integers.
//
// Sum: elements are two's complement. Max: the largest, of elements that are two's complement
// (Signed) or unsigned; ResultBits is ElementBits. Else both are 1; `conjunction` chooses AND for a
// lane. `first`: there is nothing kept yet.
#pragma once

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <bool Sum, bool Max, bool Signed, unsigned Lanes, unsigned ElementBits,
          unsigned ResultBits>
ap_uint<Lanes * ResultBits> pool_combine(bool first, const ap_uint<Lanes>& conjunction,
                                         const ap_uint<Lanes * ResultBits>& kept,
                                         const ap_uint<Lanes * ElementBits>& data) {
#pragma HLS INLINE
  ap_uint<Lanes * ResultBits> result;
  for (unsigned lane = 0; lane < Lanes; ++lane) {
#pragma HLS UNROLL
    const ap_uint<ElementBits> x = element<ElementBits>(data, lane);
    const ap_uint<ResultBits> old = element<ResultBits>(kept, lane);
    ap_uint<ResultBits> next = x;
    if (Sum) {
      next = number<true>(x) + (first ? ap_uint<ResultBits>(0) : old);
    } else if (Max) {
      next = first || number<Signed>(x) > number<Signed>(old) ? ap_uint<ResultBits>(x) : old;
    } else if (!first) {
      next = conjunction[lane] ? ap_uint<ResultBits>(old & x) : ap_uint<ResultBits>(old | x);
    }
    set_element<ResultBits>(result, lane, next);
  }
  return result;
}

}  // namespace bnnedge
