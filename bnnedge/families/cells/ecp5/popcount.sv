// `popcount` as ECP5 carry cells: it takes the portable module's place in synthesis for ECP5.
// Same ports, same sums, same latency.
//
// Form        A tree of n leaves and n − 1 adders, and the sum with base_i at its root, add up 4·n
//             positions: a leaf takes three, two as operands and one as carry-in, and every adder
//             takes one as carry-in. So each full adder is one LUT4, with the XNORs inside.
//             Disagreements are counted: a carry cell cannot generate the carry of an agreement.
//             Padded up to 2**LEVELS full leaves there are 2**(LEVELS+2) positions, those beyond
//             Width disagree, and base_i + ~(disagreements but one) + (that one agrees) is the sum.
// Cost        ECP5 LUT4 and Fmax in a 32x32 MVU, logic ROM (others: see xnor_mvu): 1896, 191 MHz.
//             With a register after every second level: 1895, 162 MHz; the portable form then: 3155.
//             Without Ecp5.prepare it takes 4 LUT4 more per chain, of five in a PE.
module popcount #(
  parameter int unsigned Width   = 16,
  parameter int unsigned SumBits = $clog2(Width + 1)
) (
  input  logic               clk_i,
  input  logic               en_i,
  input  logic [Width-1:0]   a_i,
  input  logic [Width-1:0]   b_i,
  input  logic [SumBits-1:0] base_i,
  output logic [SumBits-1:0] sum_o
);
  localparam int unsigned LEAVES  = (Width + 3) / 4;
  localparam int unsigned LEVELS  = $clog2(LEAVES);
  localparam int unsigned BITS    = LEVELS + 2;

  logic [4*LEAVES-1:0] a, b;
  assign a = (4 * LEAVES)'(a_i);
  if (4 * LEAVES > Width) begin : gen_pad
    assign b = {{(4 * LEAVES - Width) {1'b1}}, b_i};
  end else begin : gen_full
    assign b = b_i;
  end

  // Each level: its nodes' sums, and as many positions not counted yet.
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
    localparam int unsigned NODES = (LEAVES + (1 << l) - 1) >> l;
    logic [NODES*(l+2)-1:0] sum_d, sum_q;
    logic [NODES-1:0]       a_d, b_d, a_q, b_q;

    if (l == 0) begin : gen_leaf
      adder_row #(
        .Adders(LEAVES),
        .Bits  (1),
        .Leaf  (1'b1)
      ) i_row (
        .a_i      (a[LEAVES-1:0]),
        .b_i      (b[LEAVES-1:0]),
        .c_i      (a[LEAVES+:LEAVES]),
        .d_i      (b[LEAVES+:LEAVES]),
        .carry_a_i(a[2*LEAVES+:LEAVES]),
        .carry_b_i(b[2*LEAVES+:LEAVES]),
        .sum_o    (sum_d)
      );
      assign a_d = a[3*LEAVES+:LEAVES];
      assign b_d = b[3*LEAVES+:LEAVES];
    end else begin : gen_node
      localparam int unsigned BELOW  = (LEAVES + (1 << (l - 1)) - 1) >> (l - 1);
      localparam int unsigned ADDERS = BELOW / 2;
      logic [ADDERS*(l+1)-1:0] left, right;
      for (genvar n = 0; n < ADDERS; n++) begin : gen_operands
        assign left[n*(l+1)+:l+1]  = gen_level[l-1].sum_q[2*n*(l+1)+:l+1];
        assign right[n*(l+1)+:l+1] = gen_level[l-1].sum_q[(2*n+1)*(l+1)+:l+1];
      end
      adder_row #(
        .Adders(ADDERS),
        .Bits  (l + 1)
      ) i_row (
        .a_i      (left),
        .b_i      (right),
        .c_i      ('0),
        .d_i      ('1),
        .carry_a_i(gen_level[l-1].a_q[ADDERS-1:0]),
        .carry_b_i(gen_level[l-1].b_q[ADDERS-1:0]),
        .sum_o    (sum_d[ADDERS*(l+2)-1:0])
      );
      if (NODES > ADDERS) begin : gen_pass
        // The missing sibling and its carry-in disagree throughout: 2**(l+1) of them.
        assign sum_d[ADDERS*(l+2)+:l+2] = {1'b1, gen_level[l-1].sum_q[2*ADDERS*(l+1)+:l+1]};
      end
      assign a_d = gen_level[l-1].a_q[BELOW-1:ADDERS];
      assign b_d = gen_level[l-1].b_q[BELOW-1:ADDERS];
    end

    always_ff @(posedge clk_i) if (en_i) {sum_q, a_q, b_q} <= {sum_d, a_d, b_d};
  end

  logic unused_carry;
  adder_row #(
    .Adders(1),
    .Bits  (SumBits),
    .Root  (1'b1)
  ) i_root (
    .a_i      (base_i),
    .b_i      (SumBits'(gen_level[LEVELS].sum_q)),
    .c_i      (SumBits'(BITS'('1))),
    .d_i      ('1),
    .carry_a_i(gen_level[LEVELS].a_q),
    .carry_b_i(gen_level[LEVELS].b_q),
    .sum_o    ({unused_carry, sum_o})
  );
endmodule
