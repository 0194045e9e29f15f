// AXI4-Lite slave of `bnnedge_axi`: 32-bit registers, addressed by byte.
//
//   0x00  ID            read   hash of graph and folding
//   0x04  VERSION       read   0x424e4e01: "BNN" and the version of this map
//   0x08  CONTROL       write  bit 0: reset; the network is in reset as long as it is 1
//   0x0c  STATUS        read   bit 0: busy, 1: frame error (until the next reset)
//   0x10  IMAGES        write  images per transfer: `m_axis_tlast` comes with the last one's result
//   0x14  IMAGE_BYTES   read   on s_axis
//   0x18  RESULT_BYTES  read   on m_axis
//   0x1c  IMAGES_IN     read   whole images taken since the last reset, modulo 2^32
//   0x20  IMAGES_OUT    read   whole results given since the last reset, modulo 2^32
//   0x24  CYCLES        read   clocks in which the device was busy since the last reset, mod 2^32
//
// Latency     a write or a read takes three clocks; one of each at a time.
// Bytes       of a written word only those with their strobe. Registers that can be written can
//             be read. Other addresses read as 0 and ignore writes; no access is answered with an
//             error, which would kill the process that made it.
// Reset       no access is taken and none answered.
// Form        every output comes from a register.
//
module axi_registers #(
  parameter int unsigned ImageBytes  = 8,
  parameter int unsigned ResultBytes = 8
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [7:0]  s_axi_awaddr,
  input  logic        s_axi_awvalid,
  output logic        s_axi_awready,
  input  logic [31:0] s_axi_wdata,
  input  logic [3:0]  s_axi_wstrb,
  input  logic        s_axi_wvalid,
  output logic        s_axi_wready,
  output logic        s_axi_bvalid,
  input  logic        s_axi_bready,
  input  logic [7:0]  s_axi_araddr,
  input  logic        s_axi_arvalid,
  output logic        s_axi_arready,
  output logic [31:0] s_axi_rdata,
  output logic        s_axi_rvalid,
  input  logic        s_axi_rready,
  input  logic [31:0] id_i,
  input  logic        busy_i,
  input  logic        frame_error_i,
  input  logic [31:0] images_in_i,
  input  logic [31:0] images_out_i,
  input  logic [31:0] cycles_i,
  output logic        reset_o,
  output logic [31:0] images_o,
  output logic        images_written_o
);
  localparam logic [31:0] VERSION = 32'h424e4e01;

  localparam logic [5:0] ID           = 6'h00;
  localparam logic [5:0] MAP_VERSION  = 6'h01;
  localparam logic [5:0] CONTROL      = 6'h02;
  localparam logic [5:0] STATUS       = 6'h03;
  localparam logic [5:0] IMAGES       = 6'h04;
  localparam logic [5:0] IMAGE_BYTES  = 6'h05;
  localparam logic [5:0] RESULT_BYTES = 6'h06;
  localparam logic [5:0] IMAGES_IN    = 6'h07;
  localparam logic [5:0] IMAGES_OUT   = 6'h08;
  localparam logic [5:0] CYCLES       = 6'h09;

  logic        write_ready_q, read_ready_q, write_done_q, read_done_q;
  logic        reset_q, images_written_q;
  logic [31:0] images_q, read_data_q;
  logic        write, read;
  assign write = write_ready_q & s_axi_awvalid & s_axi_wvalid;
  assign read  = read_ready_q & s_axi_arvalid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_ready_q <= 1'b0;
      read_ready_q  <= 1'b0;
      write_done_q  <= 1'b0;
      read_done_q   <= 1'b0;
    end else begin
      write_ready_q <= ~write_ready_q & s_axi_awvalid & s_axi_wvalid & ~write_done_q;
      read_ready_q  <= ~read_ready_q & s_axi_arvalid & ~read_done_q;
      write_done_q  <= write | (write_done_q & ~s_axi_bready);
      read_done_q   <= read | (read_done_q & ~s_axi_rready);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      reset_q          <= 1'b0;
      images_q         <= 32'd1;
      images_written_q <= 1'b0;
    end else begin
      images_written_q <= write & (s_axi_awaddr[7:2] == IMAGES);
      if (write && s_axi_awaddr[7:2] == CONTROL && s_axi_wstrb[0]) reset_q <= s_axi_wdata[0];
      for (int i = 0; i < 4; i++) begin
        if (write && s_axi_awaddr[7:2] == IMAGES && s_axi_wstrb[i]) begin
          images_q[8*i+:8] <= s_axi_wdata[8*i+:8];
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (read) begin
      case (s_axi_araddr[7:2])
        ID:           read_data_q <= id_i;
        MAP_VERSION:  read_data_q <= VERSION;
        CONTROL:      read_data_q <= {31'b0, reset_q};
        STATUS:       read_data_q <= {30'b0, frame_error_i, busy_i};
        IMAGES:       read_data_q <= images_q;
        IMAGE_BYTES:  read_data_q <= 32'(ImageBytes);
        RESULT_BYTES: read_data_q <= 32'(ResultBytes);
        IMAGES_IN:    read_data_q <= images_in_i;
        IMAGES_OUT:   read_data_q <= images_out_i;
        CYCLES:       read_data_q <= cycles_i;
        default:      read_data_q <= '0;
      endcase
    end
  end

  logic unused;
  assign unused = &{s_axi_awaddr[1:0], s_axi_araddr[1:0]};

  assign s_axi_awready    = write_ready_q;
  assign s_axi_wready     = write_ready_q;
  assign s_axi_bvalid     = write_done_q;
  assign s_axi_arready    = read_ready_q;
  assign s_axi_rdata      = read_data_q;
  assign s_axi_rvalid     = read_done_q;
  assign reset_o          = reset_q;
  assign images_o         = images_q;
  assign images_written_o = images_written_q;
endmodule
