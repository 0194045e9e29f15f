// Serial transmitter, 8 data bits, no parity, 1 stop bit.
//
// Latency             the start bit begins on the clock after a byte is taken.
// Initiation interval 10 * ClocksPerBit + 1 clocks.
// Bit order           least significant bit first, as on the wire.
//
module uart_tx #(
  parameter int unsigned ClocksPerBit = 16
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       in_valid_i,
  output logic       in_ready_o,
  input  logic [7:0] in_data_i,
  output logic       tx_o
);
  localparam int unsigned COUNT_BITS = $clog2(ClocksPerBit);

  logic                  busy_q;
  logic [COUNT_BITS:0]   count_q;  // clocks left, less one: its sign ends them
  logic [3:0]            bit_q;
  logic [8:0]            shift_q;  // data and start bit; ones follow: stop bit and the idle line
  logic                  bit_end;
  assign bit_end = count_q[COUNT_BITS];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q  <= 1'b0;
      shift_q <= '1;
    end else if (!busy_q) begin
      busy_q <= in_valid_i;
      if (in_valid_i) shift_q <= {in_data_i, 1'b0};
    end else if (bit_end) begin
      busy_q  <= bit_q != 4'd9;
      shift_q <= {1'b1, shift_q[8:1]};
    end
  end

  always_ff @(posedge clk_i) begin
    if (!busy_q) begin
      count_q <= (COUNT_BITS + 1)'(ClocksPerBit - 2);
      bit_q   <= 4'd0;
    end else if (bit_end) begin
      count_q <= (COUNT_BITS + 1)'(ClocksPerBit - 2);
      bit_q   <= bit_q + 4'd1;
    end else begin
      count_q <= count_q - 1'b1;
    end
  end

  assign in_ready_o = ~busy_q;
  assign tx_o       = shift_q[0];
endmodule
