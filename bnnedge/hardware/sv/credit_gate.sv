// Entrance of kernels that never stop: no more words are in them than the FIFO behind has room for.
//
// Function    The OutBits low bits of words pass, one cycle late. A word takes a credit, back_i returns
//             one, and there are Credits of them: back_i is high for each word that leaves the FIFO.
// Back-press. in_ready_o comes from a register; the output never waits: what is behind must be ready.
// Form        Credits, so that no register of the pipeline needs an enable.
module credit_gate #(
  parameter int unsigned InBits  = 8,
  parameter int unsigned OutBits = 8,
  parameter int unsigned Credits = 16
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               back_i,
  input  logic               in_valid_i,
  output logic               in_ready_o,
  input  logic [InBits-1:0]  in_data_i,
  output logic               out_valid_o,
  input  logic               out_ready_i,
  output logic [OutBits-1:0] out_data_o
);
  localparam int unsigned BITS = $clog2(Credits + 1);

  logic               take, ready_q, valid_q;
  logic [BITS-1:0]    left_q;
  logic [OutBits-1:0] data_q;

  assign take       = in_valid_i & ready_q;
  assign in_ready_o = ready_q;
  // ready_q: after this cycle at least one is left, whatever comes back.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= BITS'(Credits);
      ready_q <= 1'b1;
      valid_q <= 1'b0;
    end else begin
      if (take != back_i) left_q <= take ? left_q - 1'b1 : left_q + 1'b1;
      ready_q <= back_i | (left_q > BITS'(1)) | (left_q == BITS'(1) & ~take);
      valid_q <= take;
    end
    data_q <= in_data_i[OutBits-1:0];
  end
  assign out_valid_o = valid_q;
  assign out_data_o  = data_q;

  if (InBits > OutBits) begin : gen_narrow
    logic unused;
    assign unused = |in_data_i[InBits-1:OutBits];
  end

  logic unused_ready;
  assign unused_ready = out_ready_i;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(InBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
`endif
endmodule
