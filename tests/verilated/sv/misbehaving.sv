// A `passthrough` that does what a beat of 0xF0 and above tells it to do wrong: every check of the
// harness is shown to fail by one compiled model.
module misbehaving (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       in_valid_i,
  output logic       in_ready_o,
  input  logic [7:0] in_data_i,
  output logic       out_valid_o,
  input  logic       out_ready_i,
  output logic [7:0] out_data_o,
  output logic       out_last_o
);
  localparam logic [7:0] DROP_VALID = 8'hf0;
  localparam logic [7:0] CHANGE_DATA = 8'hf1;
  localparam logic [7:0] CHANGE_LAST = 8'hf2;
  localparam logic [7:0] REPEAT = 8'hf3;
  localparam logic [7:0] SWALLOW = 8'hf4;
  localparam logic [7:0] STOP_READY = 8'hf5;
  localparam logic [7:0] ASSERT = 8'hf6;
  localparam logic [7:0] FATAL = 8'hf7;
  localparam logic [7:0] FINISH = 8'hf8;

  logic stopped_q, repeat_q;

  assign in_ready_o = (!out_valid_o || out_ready_i) && !stopped_q && !repeat_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_o <= 1'b0;
      stopped_q <= 1'b0;
      repeat_q <= 1'b0;
    end else if (out_valid_o && !out_ready_i) begin
      if (out_data_o == DROP_VALID) out_valid_o <= 1'b0;
      if (out_data_o == CHANGE_DATA) out_data_o <= 8'h00;
      if (out_data_o == CHANGE_LAST) out_last_o <= !out_last_o;
    end else if (repeat_q) begin
      repeat_q <= 1'b0;
    end else begin
      out_valid_o <= in_valid_i && in_ready_o && in_data_i != SWALLOW;
      out_data_o <= in_data_i;
      out_last_o <= in_data_i[0];
      repeat_q <= in_valid_i && in_ready_o && in_data_i == REPEAT;
      stopped_q <= stopped_q || (in_valid_i && in_data_i == STOP_READY);
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni && in_valid_i && in_ready_o) begin
      assert (in_data_i != ASSERT) else $error("beat %h is not allowed", in_data_i);
      if (in_data_i == FATAL) $fatal(1, "gave up on beat %h", in_data_i);
      if (in_data_i == FINISH) $finish;
    end
  end
`endif
endmodule
