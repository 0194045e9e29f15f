// A memory of constants: Depth words, each of Lanes elements of Bits bits.
//
// Form        An element is kept in the narrowest C integers that hold it, the lowest bits first:
//             g++ compiles 2.9 Mbit in one second, and the same as ap_uint<32> in 33. A kernel
//             reads all lanes at once: whoever declares the memory partitions `words` in its first
//             and its last dimension.
#pragma once

#include <ap_int.h>

#include <cstdint>
#include <type_traits>

namespace bnnedge {

template <unsigned Lanes, unsigned Bits, unsigned Depth>
struct rom {
  using cell = std::conditional_t<
      (Bits <= 8), std::uint8_t,
      std::conditional_t<(Bits <= 16), std::uint16_t,
                         std::conditional_t<(Bits <= 32), std::uint32_t, std::uint64_t>>>;
  static constexpr unsigned CELLS = (Bits + 63) / 64;

  cell words[Lanes][Depth][CELLS];

  // A memory of one lane, or of one word, is the same for all lanes or words.
  ap_uint<Bits> read(unsigned lane, unsigned address) const {
#pragma HLS INLINE
    const auto& cells = words[Lanes > 1 ? lane : 0][Depth > 1 ? address : 0];
    ap_uint<Bits> value = cells[CELLS - 1];
    for (unsigned c = 1; c < CELLS; ++c) {
#pragma HLS UNROLL
      value <<= 64;
      value |= ap_uint<Bits>(cells[CELLS - 1 - c]);
    }
    return value;
  }
};

// In place of a memory that an instance does without: 0 wherever it is read.
static const rom<1, 1, 1> no_rom = {{{{0}}}};

}  // namespace bnnedge
