// Agreement count added to a base: sum_o = base_i + in how many of Width positions a_i and b_i
// hold the same bit, i.e. the popcount of their XNOR; modulo 2**SumBits.
//
// Latency     $clog2(ceil(Width / 4)) + 1 clock cycles in which en_i is high from a_i and b_i
//             (the parent computes the same, a module cannot export it), none from base_i;
//             initiation interval 1.
// Bit order   irrelevant.
// Form        Positions are taken in groups of three: both bits of a group's sum are functions of
//             six inputs, so XNOR and first compression are one LUT6 level. A binary tree of adders
//             follows, with a register after every level; a tree deeper than Latency has none between
//             its groups and their first adders.
//             Tried in a 16x16 MVU (Yosys, xc7 LUT): groups of three 462, groups of four 558. First
//             adders as gates instead of carry chains: 559. For ECP5 another form takes this module's
//             place in synthesis.
module popcount #(
  parameter int unsigned Width   = 16,
  parameter int unsigned SumBits = $clog2(Width + 1)  // at least this
) (
  input  logic               clk_i,
  input  logic               en_i,
  input  logic [Width-1:0]   a_i,
  input  logic [Width-1:0]   b_i,
  input  logic [SumBits-1:0] base_i,
  output logic [SumBits-1:0] sum_o
);
  localparam int unsigned GROUP      = 3;
  localparam int unsigned GROUP_BITS = 2;
  localparam int unsigned LEAVES     = (Width + GROUP - 1) / GROUP;
  localparam int unsigned LEVELS     = $clog2(LEAVES);
  localparam int unsigned COUNT_BITS = $clog2(Width + 1);
  localparam int unsigned LATENCY    = $clog2((Width + 3) / 4) + 1;

  logic [Width-1:0]        agree;
  logic [LEAVES*GROUP-1:0] padded;
  assign agree  = a_i ~^ b_i;
  assign padded = (LEAVES * GROUP)'(agree);

  for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
    localparam int unsigned NODES = (LEAVES + (1 << l) - 1) >> l;
    localparam int unsigned BITS  = GROUP_BITS + l;
    logic [NODES*BITS-1:0] sum_d, sum_q;

    for (genvar n = 0; n < NODES; n++) begin : gen_node
      if (l == 0) begin : gen_leaf
        logic a, b, c;
        assign {c, b, a} = padded[GROUP*n+:GROUP];
        assign sum_d[n*BITS+:BITS] = {(a & b) | (c & (a | b)), a ^ b ^ c};
      end else if (2*n + 1 < (LEAVES + (1 << (l - 1)) - 1) >> (l - 1)) begin : gen_add
        assign sum_d[n*BITS+:BITS] =
            BITS'(gen_level[l-1].sum_q[2*n*(BITS-1)+:BITS-1])
            + BITS'(gen_level[l-1].sum_q[(2*n+1)*(BITS-1)+:BITS-1]);
      end else begin : gen_pass
        assign sum_d[n*BITS+:BITS] = BITS'(gen_level[l-1].sum_q[2*n*(BITS-1)+:BITS-1]);
      end
    end

    if (l + LATENCY > LEVELS) begin : gen_register
      always_ff @(posedge clk_i) if (en_i) sum_q <= sum_d;
    end else begin : gen_wire
      assign sum_q = sum_d;
    end
  end

  // The tree is as wide as if every group were full; Width bounds the count itself.
  if (GROUP_BITS + LEVELS > COUNT_BITS) begin : gen_narrow
    logic unused;
    assign unused = ^gen_level[LEVELS].sum_q[GROUP_BITS+LEVELS-1:COUNT_BITS];
  end
  assign sum_o = base_i + SumBits'(COUNT_BITS'(gen_level[LEVELS].sum_q));
endmodule
