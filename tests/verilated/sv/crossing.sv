// Two streams of different widths, each through a register of its own.
module crossing (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        left_valid_i,
  output logic        left_ready_o,
  input  logic [4:0]  left_data_i,
  input  logic        right_valid_i,
  output logic        right_ready_o,
  input  logic [39:0] right_data_i,
  output logic        wide_valid_o,
  input  logic        wide_ready_i,
  output logic [39:0] wide_data_o,
  output logic        narrow_valid_o,
  input  logic        narrow_ready_i,
  output logic [4:0]  narrow_data_o
);
  passthrough #(.Width(5)) i_left (
    .clk_i, .rst_ni,
    .in_valid_i(left_valid_i), .in_ready_o(left_ready_o), .in_data_i(left_data_i),
    .out_valid_o(narrow_valid_o), .out_ready_i(narrow_ready_i), .out_data_o(narrow_data_o)
  );
  passthrough #(.Width(40)) i_right (
    .clk_i, .rst_ni,
    .in_valid_i(right_valid_i), .in_ready_o(right_ready_o), .in_data_i(right_data_i),
    .out_valid_o(wide_valid_o), .out_ready_i(wide_ready_i), .out_data_o(wide_data_o)
  );
endmodule
