// Circular line buffer: a feature map in, the taps of every window position out.
//
// Function    Pixels of PixelWords words arrive row by row. For every output pixel, row by row, the
//             words of its window leave in the order [group][tap row][tap column][word in group]; a
//             tap outside the feature map is padding.
// Use         While it is busy() with its frames, in one iteration (II = 1) a caller may get a tap,
//             where ready(), and then put a word, where room() was true before: neither waits for
//             the other. Where there is nothing to give, only a word that comes can change that.
// Form        Words are addressed by their position in the endless stream of frames, modulo Depth,
//             a power of two, so frames follow each other without a seam. Each of six nested loops
//             moves the position by a constant when it advances. `ahead` counts the words that have
//             come beyond the reader's position, `space` those that may still come before the
//             current window's first word would be overwritten. Windows may move backwards in the
//             stream (padding wider than the window): that many words are kept on top.
#pragma once

#include "bnnedge/bits.hpp"

namespace bnnedge {

template <unsigned Width, unsigned PixelWords, unsigned Groups, unsigned InHeight, unsigned InWidth,
          unsigned KernelHeight, unsigned KernelWidth, unsigned StrideHeight, unsigned StrideWidth,
          unsigned DilationHeight, unsigned DilationWidth, unsigned PadTop, unsigned PadLeft,
          unsigned PadBottom, unsigned PadRight, unsigned Depth>
class line_buffer {
  static constexpr int GROUP_WORDS = PixelWords / Groups;
  static constexpr int SPAN_HEIGHT = (KernelHeight - 1) * DilationHeight + 1;
  static constexpr int SPAN_WIDTH = (KernelWidth - 1) * DilationWidth + 1;
  static constexpr int OUT_HEIGHT =
      (InHeight + PadTop + PadBottom - SPAN_HEIGHT) / StrideHeight + 1;
  static constexpr int OUT_WIDTH = (InWidth + PadLeft + PadRight - SPAN_WIDTH) / StrideWidth + 1;

  // Words of padding before a frame, and from a window's first word to its last.
  static constexpr int START = (PadTop * InWidth + PadLeft) * PixelWords;
  static constexpr int GROUP_SPAN =
      ((SPAN_HEIGHT - 1) * int(InWidth) + SPAN_WIDTH - 1) * int(PixelWords) + GROUP_WORDS - 1;
  static constexpr int WINDOW_SPAN = GROUP_SPAN + PixelWords - GROUP_WORDS;
  // Moves of the window: to the next pixel, the next line, the next frame.
  static constexpr int TO_PIXEL = StrideWidth * PixelWords;
  static constexpr int TO_LINE =
      (int(StrideHeight * InWidth) - (OUT_WIDTH - 1) * int(StrideWidth)) * int(PixelWords);
  static constexpr int TO_FRAME = ((int(InHeight) - (OUT_HEIGHT - 1) * int(StrideHeight)) *
                                       int(InWidth) -
                                   (OUT_WIDTH - 1) * int(StrideWidth)) *
                                  int(PixelWords);
  // Moves of the reader when a loop advances and the loops inside it start again.
  static constexpr int MOVE_COLUMN = int(DilationWidth * PixelWords) - GROUP_WORDS + 1;
  static constexpr int MOVE_ROW =
      (int(DilationHeight * InWidth) - SPAN_WIDTH + 1) * int(PixelWords) - GROUP_WORDS + 1;
  static constexpr int MOVE_GROUP = GROUP_WORDS - GROUP_SPAN;
  static constexpr int MOVE_PIXEL = TO_PIXEL - WINDOW_SPAN;
  static constexpr int MOVE_LINE = TO_LINE - WINDOW_SPAN;
  static constexpr int MOVE_FRAME = TO_FRAME - WINDOW_SPAN;

  static constexpr int LOWEST = TO_LINE < TO_FRAME ? TO_LINE : TO_FRAME;
  static constexpr int BACKWARD = LOWEST < 0 ? -LOWEST : 0;
  static constexpr int CAPACITY = int(Depth) - BACKWARD;
  static constexpr unsigned ADDRESS_BITS = index_bits(Depth);

  static_assert(GROUP_WORDS * Groups == PixelWords, "line_buffer: Groups must divide PixelWords");
  static_assert((1u << clog2(Depth)) == Depth, "line_buffer: Depth must be a power of two");
  static_assert(CAPACITY > WINDOW_SPAN && CAPACITY > START,
                "line_buffer: Depth does not hold a window, or the padding before a frame");

  // Words of a feature map, and of all its windows.
  static constexpr unsigned WORDS_IN = InHeight * InWidth * PixelWords;
  static constexpr unsigned WORDS_OUT =
      unsigned(OUT_HEIGHT * OUT_WIDTH) * KernelHeight * KernelWidth * PixelWords;

 public:
  explicit line_buffer(unsigned frames)
      : to_put(frames * WORDS_IN), to_get(frames * WORDS_OUT) {}

  // Whether words are still to come, or taps to be had.
  bool busy() const {
#pragma HLS INLINE
    return to_put > 0 || to_get > 0;
  }

  // Whether the next tap is padding.
  bool padding() const {
#pragma HLS INLINE
    const unsigned y = line * StrideHeight + row * DilationHeight;
    const unsigned x = pixel * StrideWidth + column * DilationWidth;
    return y < PadTop || y >= InHeight + PadTop || x < PadLeft || x >= InWidth + PadLeft;
  }

  // Whether the next tap can be had.
  bool ready() const {
#pragma HLS INLINE
    return to_get > 0 && (padding() || ahead > 0);
  }

  // Whether a word can be put.
  bool room() const {
#pragma HLS INLINE
    return to_put > 0 && space > 0;
  }

  // The next tap; of no meaning where it is padding.
  ap_uint<Width> get() {
#pragma HLS INLINE
    const ap_uint<Width> word = memory[read];
    --to_get;
    if (++group_word < GROUP_WORDS) {
      move(1);
      return word;
    }
    group_word = 0;
    if (++column < KernelWidth) {
      move(MOVE_COLUMN);
      return word;
    }
    column = 0;
    if (++row < KernelHeight) {
      move(MOVE_ROW);
      return word;
    }
    row = 0;
    if (++group < Groups) {
      move(MOVE_GROUP);
      return word;
    }
    group = 0;
    if (++pixel < OUT_WIDTH) {
      move(MOVE_PIXEL);
      space += TO_PIXEL;
      return word;
    }
    pixel = 0;
    if (++line < OUT_HEIGHT) {
      move(MOVE_LINE);
      space += TO_LINE;
      return word;
    }
    line = 0;
    move(MOVE_FRAME);
    space += TO_FRAME;
    return word;
  }

  void put(const ap_uint<Width>& word) {
#pragma HLS INLINE
    memory[write++] = word;
    --to_put;
    ++ahead;
    --space;
  }

 private:
  void move(int words) {
#pragma HLS INLINE
    read += words;
    ahead -= words;
  }

  unsigned to_put, to_get;
  ap_uint<Width> memory[Depth];
  ap_uint<ADDRESS_BITS> read = ap_uint<ADDRESS_BITS>(-START);
  ap_uint<ADDRESS_BITS> write = 0;
  int ahead = START;
  int space = CAPACITY - START;
  int group_word = 0;
  unsigned column = 0, row = 0, group = 0;
  int pixel = 0, line = 0;
};

}  // namespace bnnedge
