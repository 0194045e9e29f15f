// Index of the largest of Elements signed numbers; the lowest index among equals.
//
// Input       Elements / Pe beats of Pe numbers, lowest index in the low bits of the first beat.
// Throughput  one frame in Elements / Pe cycles. Latency: $clog2(Pe) + 2 cycles from the last beat.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        A comparator tree over a beat, registered after every level, then one comparison
//             with the best of the beats before.
module arg_max #(
  parameter int unsigned Elements    = 10,
  parameter int unsigned Pe          = 1,
  parameter int unsigned ElementBits = 8
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic [Pe*ElementBits-1:0] in_data_i,
  output logic                      out_valid_o,
  input  logic                      out_ready_i,
  output logic [(Elements > 1 ? $clog2(Elements) : 1)-1:0] out_data_o
);
  localparam int unsigned BEATS      = Elements / Pe;
  localparam int unsigned BEAT_BITS  = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int unsigned LEVELS     = $clog2(Pe);
  localparam int unsigned LANE_BITS  = Pe > 1 ? $clog2(Pe) : 1;
  localparam int unsigned INDEX_BITS = Elements > 1 ? $clog2(Elements) : 1;
  localparam int unsigned NODE_BITS  = ElementBits + LANE_BITS;
  // Numbers are in order without their signs once these are inverted: one carry says which is more.
  localparam logic [ElementBits-1:0] SIGN = ElementBits'(1) << (ElementBits - 1);

  if (BEATS * Pe != Elements) begin : gen_bad_folding
    $error("arg_max: Pe must divide Elements");
  end

  logic en;
  assign in_ready_o = en;

  // ---- best of a beat: nodes are {lane, value}
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
    localparam int unsigned NODES = (Pe + (1 << l) - 1) >> l;
    logic [NODES*NODE_BITS-1:0] node_q;
    logic                       valid_q;

    for (genvar n = 0; n < NODES; n++) begin : gen_node
      if (l == 0) begin : gen_leaf
        always_ff @(posedge clk_i) begin
          if (en) node_q[n*NODE_BITS+:NODE_BITS] <=
              {LANE_BITS'(n), in_data_i[n*ElementBits+:ElementBits]};
        end
      end else if (2*n + 1 < (Pe + (1 << (l - 1)) - 1) >> (l - 1)) begin : gen_compare
        logic [NODE_BITS-1:0] low, high;
        assign low  = gen_level[l-1].node_q[2*n*NODE_BITS+:NODE_BITS];
        assign high = gen_level[l-1].node_q[(2*n+1)*NODE_BITS+:NODE_BITS];
        always_ff @(posedge clk_i) begin
          if (en) node_q[n*NODE_BITS+:NODE_BITS] <=
              (high[ElementBits-1:0] ^ SIGN) > (low[ElementBits-1:0] ^ SIGN) ? high : low;
        end
      end else begin : gen_pass
        always_ff @(posedge clk_i) begin
          if (en) node_q[n*NODE_BITS+:NODE_BITS] <=
              gen_level[l-1].node_q[2*n*NODE_BITS+:NODE_BITS];
        end
      end
    end

    if (l == 0) begin : gen_accept
      always_ff @(posedge clk_i) begin
        if (!rst_ni) valid_q <= 1'b0;
        else if (en) valid_q <= in_valid_i;
      end
    end else begin : gen_follow
      always_ff @(posedge clk_i) begin
        if (!rst_ni) valid_q <= 1'b0;
        else if (en) valid_q <= gen_level[l-1].valid_q;
      end
    end
  end

  // ---- best of the frame
  logic [LANE_BITS-1:0]  lane;
  logic [ElementBits-1:0] value, best_q;
  logic [INDEX_BITS-1:0] index, index_q, winner;
  logic [BEAT_BITS-1:0]  beat_q;
  logic                  valid, last, better, out_valid_q;
  logic [INDEX_BITS-1:0] out_q;

  assign {lane, value} = gen_level[LEVELS].node_q;
  assign valid  = gen_level[LEVELS].valid_q;
  assign last   = beat_q == BEAT_BITS'(BEATS - 1);
  assign index  = INDEX_BITS'(beat_q) * INDEX_BITS'(Pe) + INDEX_BITS'(lane);
  assign better = BEATS == 1 || beat_q == '0 || (value ^ SIGN) > (best_q ^ SIGN);
  assign winner = better ? index : index_q;
  assign en     = ~(valid & last & out_valid_q & ~out_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q      <= '0;
      out_valid_q <= 1'b0;
    end else begin
      if (en && valid) beat_q <= last ? '0 : beat_q + 1'b1;
      out_valid_q <= (valid & last) | (out_valid_q & ~out_ready_i);
    end
    if (en && valid) begin
      if (better) best_q <= value;
      index_q <= winner;
      if (last) out_q <= winner;
    end
  end
  assign out_valid_o = out_valid_q;
  assign out_data_o  = out_q;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Pe * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(INDEX_BITS)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
