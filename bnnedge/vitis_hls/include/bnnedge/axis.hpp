// A beat of an AXI4-Stream: TDATA, TKEEP, TSTRB and TLAST.
//
// Form        Only Vitis HLS's own ap_axiu becomes these signals of a port. Where its header is not
//             there (the open ap_types do without it), a struct of the same fields stands in for
//             it.
#pragma once

#include <ap_int.h>

#if __has_include(<ap_axi_sdata.h>)
#include <ap_axi_sdata.h>

namespace bnnedge {
template <unsigned Width>
using axis_beat = ap_axiu<Width, 0, 0, 0>;
}  // namespace bnnedge

#else

namespace bnnedge {
template <unsigned Width>
struct axis_beat {
  ap_uint<Width> data;
  ap_uint<Width / 8> keep;
  ap_uint<Width / 8> strb;
  ap_uint<1> last;
};
}  // namespace bnnedge

#endif
