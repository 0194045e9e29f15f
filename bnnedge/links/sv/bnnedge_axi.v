// The network behind AXI: registers on AXI4-Lite, images and results on AXI4-Stream.
// Plain Verilog, because Vivado's IP packager takes no SystemVerilog as a top.
//
// Registers   `axi_registers.sv` has the map (also docs/reference/registers.md).
// Streams     an image is IN_BEATS beats, a result OUT_BEATS. `m_axis_tlast` comes with the last
//             beat of IMAGES results: one DMA transfer carries a batch. `s_axis_tlast` need not
//             come, but where it comes an image must end, and every byte must be kept.
// Frame error otherwise: the beat and all that follow are dropped, so no result is ever made of
//             parts of two images; the results of whole images before it still come.
// Reset       while CONTROL's bit 0 is set the network and all counters are in reset, every beat
//             is taken and dropped and none is given: a DMA that is stuck can be reset meanwhile.
// Widths      the core's; where these are wider than an AXI DMA's 1024 bits, 1024.
//
module bnnedge_axi #(
  parameter integer IN_WIDTH       = 32,
  parameter integer OUT_WIDTH      = 32,
  parameter integer IN_BEATS       = 2,
  parameter integer OUT_BEATS      = 2,
  parameter integer CORE_IN_WIDTH  = IN_WIDTH,
  parameter integer CORE_OUT_WIDTH = OUT_WIDTH,
  parameter [31:0]  ID_WORD        = 32'h00000000
) (
  (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn" *)
  input  wire                   aclk,
  input  wire                   aresetn,

  input  wire [7:0]             s_axi_awaddr,
  input  wire [2:0]             s_axi_awprot,
  input  wire                   s_axi_awvalid,
  output wire                   s_axi_awready,
  input  wire [31:0]            s_axi_wdata,
  input  wire [3:0]             s_axi_wstrb,
  input  wire                   s_axi_wvalid,
  output wire                   s_axi_wready,
  output wire [1:0]             s_axi_bresp,
  output wire                   s_axi_bvalid,
  input  wire                   s_axi_bready,
  input  wire [7:0]             s_axi_araddr,
  input  wire [2:0]             s_axi_arprot,
  input  wire                   s_axi_arvalid,
  output wire                   s_axi_arready,
  output wire [31:0]            s_axi_rdata,
  output wire [1:0]             s_axi_rresp,
  output wire                   s_axi_rvalid,
  input  wire                   s_axi_rready,

  input  wire [IN_WIDTH-1:0]    s_axis_tdata,
  input  wire [IN_WIDTH/8-1:0]  s_axis_tkeep,
  input  wire                   s_axis_tvalid,
  output wire                   s_axis_tready,
  input  wire                   s_axis_tlast,

  output wire [OUT_WIDTH-1:0]   m_axis_tdata,
  output wire [OUT_WIDTH/8-1:0] m_axis_tkeep,
  output wire                   m_axis_tvalid,
  input  wire                   m_axis_tready,
  output wire                   m_axis_tlast
);
  wire        reset, images_written;
  wire [31:0] id, images;

  reg         rst_nq, frame_error_q, in_image_q, busy_q;
  reg  [31:0] images_in_q, images_out_q, cycles_q, result_q;
  wire        image_end, result_end, bad;
  wire        in_valid, in_ready, out_valid, out_ready;

  initial rst_nq = 1'b0;  // no kernel sees a first clock without reset
  always @(posedge aclk) rst_nq <= aresetn & ~reset;

  // A beat that breaks its frame goes no further, and is taken though the network be stuck.
  assign bad           = ~&s_axis_tkeep | (s_axis_tlast & ~image_end);
  assign in_valid      = s_axis_tvalid & rst_nq & ~frame_error_q & ~bad;
  assign s_axis_tready = in_ready | frame_error_q | ~rst_nq;
  assign m_axis_tvalid = out_valid & rst_nq;
  assign out_ready     = m_axis_tready & rst_nq;
  assign m_axis_tkeep  = {OUT_WIDTH / 8{1'b1}};
  assign m_axis_tlast  = result_end & (result_q == images);
  assign s_axi_bresp   = 2'b00;
  assign s_axi_rresp   = 2'b00;

  always @(posedge aclk) begin
    if (!rst_nq) begin
      frame_error_q <= 1'b0;
      in_image_q    <= 1'b0;
      images_in_q   <= 32'd0;
      images_out_q  <= 32'd0;
      busy_q        <= 1'b0;
      cycles_q      <= 32'd0;
    end else begin
      if (s_axis_tvalid && bad) frame_error_q <= 1'b1;
      if (in_valid && in_ready) begin
        in_image_q <= ~image_end;
        if (image_end) images_in_q <= images_in_q + 32'd1;
      end
      if (out_valid && out_ready && result_end) images_out_q <= images_out_q + 32'd1;
      busy_q <= in_valid | in_image_q | (images_in_q != images_out_q);
      if (busy_q) cycles_q <= cycles_q + 32'd1;
    end
  end

  // Number of the result within its transfer, from 1.
  always @(posedge aclk) begin
    if (!rst_nq || images_written) result_q <= 32'd1;
    else if (out_valid && out_ready && result_end) begin
      result_q <= m_axis_tlast ? 32'd1 : result_q + 32'd1;
    end
  end

  stream_last #(.Beats(IN_BEATS)) i_image_end (
    .clk_i(aclk), .rst_ni(rst_nq), .valid_i(in_valid), .ready_i(in_ready), .last_o(image_end)
  );
  stream_last #(.Beats(OUT_BEATS)) i_result_end (
    .clk_i(aclk), .rst_ni(rst_nq), .valid_i(out_valid), .ready_i(out_ready), .last_o(result_end)
  );

  axi_registers #(
    .ImageBytes(IN_BEATS * IN_WIDTH / 8), .ResultBytes(OUT_BEATS * OUT_WIDTH / 8)
  ) i_registers (
    .clk_i(aclk), .rst_ni(aresetn),
    .s_axi_awaddr(s_axi_awaddr), .s_axi_awvalid(s_axi_awvalid), .s_axi_awready(s_axi_awready),
    .s_axi_wdata(s_axi_wdata), .s_axi_wstrb(s_axi_wstrb),
    .s_axi_wvalid(s_axi_wvalid), .s_axi_wready(s_axi_wready),
    .s_axi_bvalid(s_axi_bvalid), .s_axi_bready(s_axi_bready),
    .s_axi_araddr(s_axi_araddr), .s_axi_arvalid(s_axi_arvalid), .s_axi_arready(s_axi_arready),
    .s_axi_rdata(s_axi_rdata), .s_axi_rvalid(s_axi_rvalid), .s_axi_rready(s_axi_rready),
    .id_i(id), .busy_i(busy_q), .frame_error_i(frame_error_q),
    .images_in_i(images_in_q), .images_out_i(images_out_q), .cycles_i(cycles_q),
    .reset_o(reset), .images_o(images), .images_written_o(images_written)
  );

  wire [CORE_IN_WIDTH-1:0]  core_in_data;
  wire                      core_in_valid, core_in_ready;
  generate
    if (CORE_IN_WIDTH == IN_WIDTH) begin : gen_in
      assign core_in_data  = s_axis_tdata;
      assign core_in_valid = in_valid;
      assign in_ready      = core_in_ready;
    end else begin : gen_widen
      stream_width_converter #(
        .InBits(IN_WIDTH), .OutBits(CORE_IN_WIDTH), .FrameBits(IN_BEATS * IN_WIDTH)
      ) i_converter (
        .clk_i(aclk), .rst_ni(rst_nq),
        .in_valid_i(in_valid), .in_ready_o(in_ready), .in_data_i(s_axis_tdata),
        .out_valid_o(core_in_valid), .out_ready_i(core_in_ready), .out_data_o(core_in_data)
      );
    end
  endgenerate

  wire [CORE_OUT_WIDTH-1:0] core_out_data;
  wire                      core_out_valid, core_out_ready;
  generate
    if (CORE_OUT_WIDTH == OUT_WIDTH) begin : gen_out
      assign m_axis_tdata   = core_out_data;
      assign out_valid      = core_out_valid;
      assign core_out_ready = out_ready;
    end else begin : gen_narrow
      stream_width_converter #(
        .InBits(CORE_OUT_WIDTH), .OutBits(OUT_WIDTH), .FrameBits(OUT_BEATS * OUT_WIDTH)
      ) i_converter (
        .clk_i(aclk), .rst_ni(rst_nq),
        .in_valid_i(core_out_valid), .in_ready_o(core_out_ready), .in_data_i(core_out_data),
        .out_valid_o(out_valid), .out_ready_i(out_ready), .out_data_o(m_axis_tdata)
      );
    end
  endgenerate

  wire core_out_last;
  bnnedge_core i_core (
    .clk_i(aclk), .rst_ni(rst_nq),
    .s_axis_tdata(core_in_data), .s_axis_tvalid(core_in_valid), .s_axis_tready(core_in_ready),
    .m_axis_tdata(core_out_data), .m_axis_tvalid(core_out_valid), .m_axis_tready(core_out_ready),
    .m_axis_tlast(core_out_last), .id_o(id)
  );

  wire unused;
  assign unused = &{s_axi_awprot, s_axi_arprot, core_out_last};

`ifndef SYNTHESIS
  always @(posedge aclk) begin
    if (rst_nq && id != ID_WORD) begin
      $display("bnnedge_axi: ID_WORD is %h, the network's %h", ID_WORD, id);
      $stop;
    end
    if (!rst_nq && (in_valid || out_ready)) begin
      $display("bnnedge_axi: a beat goes to or comes from the network in reset");
      $stop;
    end
  end
`endif
endmodule
