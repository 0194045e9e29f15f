// Serial receiver, 8 data bits, no parity, 1 stop bit.
//
// Latency     valid_o or error_o for one clock in the middle of the stop bit (+6 clocks).
// Bit order   least significant bit first, as on the wire.
// Form        The line passes a two-register synchroniser and a majority of three, so a glitch of
//             one clock is never seen. Each bit is sampled in its middle, counted from the falling
//             edge of its own frame: a frame tolerates a clock difference of about ±4 %. Listening
//             resumes in the middle of the stop bit. A low stop bit drops the byte, and nothing is
//             received until the line has been high again (so a break is one error, not many).
//
module uart_rx #(
  parameter int unsigned ClocksPerBit = 16
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       valid_o,
  output logic [7:0] data_o,
  output logic       error_o
);
  localparam int unsigned COUNT_BITS = $clog2(ClocksPerBit);

  if (ClocksPerBit < 8) begin : gen_check
    $error("uart_rx: ClocksPerBit must be at least 8");
  end

  logic [4:0] line_q;
  logic       level;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) line_q <= '1;
    else line_q <= {line_q[3:0], rx_i};
  end
  assign level = (line_q[2] & line_q[3]) | (line_q[2] & line_q[4]) | (line_q[3] & line_q[4]);

  logic                  busy_q, armed_q;
  logic [COUNT_BITS:0]   count_q;  // clocks left, less one: its sign ends them
  logic [3:0]            bit_q;
  logic [7:0]            shift_q;
  logic                  sample, is_start, is_stop;
  assign sample   = busy_q & count_q[COUNT_BITS];
  assign is_start = bit_q == 4'd0;
  assign is_stop  = bit_q == 4'd9;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q  <= 1'b0;
      armed_q <= 1'b0;
    end else if (!busy_q) begin
      busy_q  <= armed_q & ~level;
      armed_q <= level;
    end else if (sample && (is_stop || (is_start && level))) begin
      busy_q  <= 1'b0;
      armed_q <= level;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!busy_q) begin
      count_q <= (COUNT_BITS + 1)'(ClocksPerBit / 2 - 2);
      bit_q   <= 4'd0;
    end else if (sample) begin
      count_q <= (COUNT_BITS + 1)'(ClocksPerBit - 2);
      bit_q   <= bit_q + 4'd1;
      if (!is_stop) shift_q <= {level, shift_q[7:1]};
    end else begin
      count_q <= count_q - 1'b1;
    end
  end

  logic valid_q, error_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      error_q <= 1'b0;
    end else begin
      valid_q <= sample & is_stop & level;
      error_q <= sample & is_stop & ~level;
    end
  end
  assign valid_o = valid_q;
  assign error_o = error_q;
  assign data_o  = shift_q;  // the next bit that enters is a start bit's, later
endmodule
