// Indices of the K largest of Elements signed numbers, which fall; the lower first among equals.
//
// Input       Elements beats of one number, lowest index first.
// Output      K beats of one index, that of the largest first.
// Throughput  one frame in Elements cycles, while the indices of the frame before leave. Latency:
//             3 cycles from the last beat to the first index.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        A sorted row of K numbers, each with a comparator. A number is put in front of the first
//             that is less, and the rest moves one place; so equals keep their order. A whole row's
//             indices are copied to a shift register.
module top_k #(
  parameter int unsigned Elements    = 10,
  parameter int unsigned K           = 5,
  parameter int unsigned ElementBits = 8
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   in_valid_i,
  output logic                   in_ready_o,
  input  logic [ElementBits-1:0] in_data_i,
  output logic                   out_valid_o,
  input  logic                   out_ready_i,
  output logic [(Elements > 1 ? $clog2(Elements) : 1)-1:0] out_data_o
);
  localparam int unsigned INDEX_BITS = Elements > 1 ? $clog2(Elements) : 1;

  if (K < 1 || K > Elements) begin : gen_bad_k
    $error("top_k: K must be from 1 to Elements");
  end

  logic en, valid_q, first_q, last, whole_q;
  logic [ElementBits-1:0] value_q;
  logic [INDEX_BITS-1:0]  index_q;
  logic [K-1:0]           left_q;  // indices in the shift register, as many ones

  assign last        = index_q == INDEX_BITS'(Elements - 1);
  assign en          = ~(whole_q & left_q[0] & ~(out_ready_i & ~(|(left_q >> 1))));
  assign in_ready_o  = en;
  assign out_valid_o = left_q[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      first_q <= 1'b1;
      index_q <= '0;
      whole_q <= 1'b0;
      left_q  <= '0;
    end else begin
      if (en) begin
        valid_q <= in_valid_i;
        whole_q <= valid_q & last;
      end
      if (en && valid_q) begin
        first_q <= last;
        index_q <= last ? '0 : index_q + 1'b1;
      end
      if (en && whole_q) left_q <= '1;
      else if (out_ready_i) left_q <= left_q >> 1;
    end
    if (en) value_q <= in_data_i;
  end

  // ---- the row, and the shift register that it is copied to
  for (genvar i = 0; i < K; i++) begin : gen_place
    logic [ElementBits-1:0] best_q;
    logic [INDEX_BITS-1:0]  best_index_q, out_q;
    logic                   filled_q, less, moves;

    assign less  = first_q | ~filled_q | $signed(value_q) > $signed(best_q);
    assign moves = en & valid_q & less;

    if (i == 0) begin : gen_front
      assign filled_q = 1'b1;
      always_ff @(posedge clk_i) if (moves) {best_q, best_index_q} <= {value_q, index_q};
    end else begin : gen_behind
      always_ff @(posedge clk_i) begin
        if (moves) {best_q, best_index_q} <= gen_place[i-1].less
            ? {gen_place[i-1].best_q, gen_place[i-1].best_index_q} : {value_q, index_q};
        if (en && valid_q) filled_q <= ~first_q & gen_place[i-1].filled_q;
      end
    end

    if (i == K - 1) begin : gen_last
      always_ff @(posedge clk_i) if (en && whole_q) out_q <= best_index_q;
    end else begin : gen_shifted
      always_ff @(posedge clk_i) begin
        if (en && whole_q) out_q <= best_index_q;
        else if (out_ready_i) out_q <= gen_place[i+1].out_q;
      end
    end
  end
  assign out_data_o = gen_place[0].out_q;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(ElementBits), .Given(1'b1)
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
