// Withholds a stream's words at random, as word Index of stalls.mem says: in bits 7:0 of it, the
// chance of a stall in a cycle (of 256), above them the seed. Valid, once raised, stays.
module stall_gate #(
  parameter int unsigned Width = 8,
  parameter int unsigned Gates = 1,
  parameter int unsigned Index = 0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  logic [39:0] stalls[Gates];
  initial $readmemh("stalls.mem", stalls);

  logic [31:0] random_q, step1, step2;
  logic        open, waiting_q;

  assign open        = waiting_q || random_q[31:24] >= stalls[Index][7:0];
  assign out_valid_o = in_valid_i && open;
  assign in_ready_o  = out_ready_i && open;
  assign out_data_o  = in_data_i;

  assign step1 = random_q ^ (random_q << 13);  // Marsaglia's xorshift
  assign step2 = step1 ^ (step1 >> 17);
  always_ff @(posedge clk_i) begin
    random_q  <= rst_ni ? step2 ^ (step2 << 5) : stalls[Index][39:8];
    waiting_q <= rst_ni && out_valid_o && !out_ready_i;
  end
endmodule
