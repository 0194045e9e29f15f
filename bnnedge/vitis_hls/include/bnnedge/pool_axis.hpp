// Where on one axis a pool is: positions 0 ... Size − 1, in Windows windows of Kernel positions
// that begin Stride apart, the first one Pad before position 0.
#pragma once

namespace bnnedge {

template <unsigned Size, unsigned Kernel, unsigned Stride, unsigned Pad, unsigned Windows>
class pool_axis {
  static_assert(Kernel <= Stride && Pad < Stride,
                "pool: windows overlap, or padding reaches over a stride");

 public:
  // The first and the last position of a window that is not padding; in a window at all.
  bool first() const { return tap == 0 || position == 0; }
  bool last() const { return tap == Kernel - 1 || end(); }
  bool inside() const { return tap < Kernel && window < Windows; }
  // The last position.
  bool end() const { return position == Size - 1; }
  // Which window it is; Windows: behind the last one.
  unsigned index() const { return window; }

  void step() {
#pragma HLS INLINE
    if (end()) {
      position = 0;
      tap = Pad;
      window = 0;
      return;
    }
    ++position;
    if (++tap == Stride) {
      tap = 0;
      if (window < Windows) ++window;
    }
  }

 private:
  unsigned position = 0;
  unsigned tap = Pad;
  unsigned window = 0;
};

}  // namespace bnnedge
