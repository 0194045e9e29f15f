// Takes commands out of the byte stream (docs/reference/serial-protocol.md has the protocol).
//
//   'I'                                  identify_o for one clock
//   'R' tag image[ImageBytes] crc crc    words to the frame buffer, then commit_o with tag_o
//   'M' rounds crc crc                   measure_o for one clock with tag_o, if there is a Store
//
// Latency     commit_o, discard_o and fault_valid_o on the clock after the byte that decides; where
//             a CRC does, three clocks after its last byte. No byte comes in the clocks between.
// Bit order   the first byte of a word is its lowest.
// Faults      a wrong CRC, a gap of TimeoutClocks or a framing error inside a frame, and an image
//             beyond the window discard what was written; fault_valid_o is high for one clock
//             with the reason, if the tag was received. After a broken frame, and after a byte
//             that is no command, everything is ignored until the line was quiet for TimeoutClocks:
//             the rest of a broken frame is never taken for commands.
//
module frame_receiver #(
  parameter int unsigned Width         = 32,
  parameter int unsigned ImageBytes    = 8,
  parameter int unsigned TimeoutClocks = 1000,
  parameter bit          Store         = 1'b0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             byte_valid_i,
  input  logic [7:0]       byte_i,
  input  logic             byte_error_i,
  input  logic             window_full_i,
  output logic             identify_o,
  output logic             measure_o,
  output logic             write_valid_o,
  output logic [Width-1:0] write_data_o,
  output logic             commit_o,
  output logic             discard_o,
  output logic [7:0]       tag_o,
  output logic             fault_valid_o,
  output logic [7:0]       fault_o
);
  localparam int unsigned LANES        = Width / 8;
  localparam int unsigned LANE_BITS    = $clog2(LANES);
  localparam int unsigned COUNT_BITS   = $clog2(ImageBytes + 1);
  localparam int unsigned TIMEOUT_BITS = $clog2(TimeoutClocks);

  localparam logic [7:0] COMMAND_IDENTIFY = 8'h49;  // 'I'
  localparam logic [7:0] COMMAND_RUN      = 8'h52;  // 'R'
  localparam logic [7:0] COMMAND_MEASURE  = 8'h4d;  // 'M'
  localparam logic [7:0] FAULT_CRC        = 8'd1;
  localparam logic [7:0] FAULT_TIMEOUT    = 8'd2;
  localparam logic [7:0] FAULT_FRAMING    = 8'd3;
  localparam logic [7:0] FAULT_WINDOW     = 8'd4;

  if (Width % 8 != 0 || LANES < 2 || ImageBytes % LANES != 0) begin : gen_check
    $error("frame_receiver: ImageBytes must fill whole words of at least two bytes");
  end

  typedef enum logic [2:0] {IDLE, TAG, IMAGE, CRC_HIGH, CRC_LOW, CHECK, JUDGE, DRAIN} state_e;
  state_e state_q;

  logic [TIMEOUT_BITS:0]   timeout_q;  // clocks left, less one: its sign ends them
  logic [COUNT_BITS-1:0]   left_q;
  logic [LANE_BITS-1:0]    lane_q;
  logic [Width-1:0]        word_q;
  logic [15:0]             crc_q, crc_d;
  logic [7:0]              tag_q, fault_q;
  logic                    accept_q, write_q, commit_q, discard_q, fault_valid_q, identify_q;
  logic                    measures, measures_q, measure_q;
  logic                    last_byte, last_lane, timeout, quiet, inside_frame, broken, finished, good_q;
  assign measures  = Store && byte_i == COMMAND_MEASURE;
  assign last_byte = left_q == COUNT_BITS'(1);
  assign last_lane = lane_q == LANE_BITS'(LANES - 1);
  assign timeout   = timeout_q[TIMEOUT_BITS];
  assign quiet     = timeout & ~byte_valid_i & ~byte_error_i;
  assign inside_frame = state_q == TAG || state_q == IMAGE || state_q == CRC_HIGH
      || state_q == CRC_LOW;
  assign broken    = inside_frame & (byte_error_i | quiet);
  assign finished  = state_q == JUDGE;

  crc16 i_crc (.crc_i(crc_q), .data_i(byte_i), .crc_o(crc_d));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= IDLE;
    else if (state_q == CHECK) state_q <= JUDGE;
    else if (state_q == JUDGE) state_q <= good_q ? IDLE : DRAIN;
    else if (quiet) state_q <= IDLE;
    else if (byte_error_i) state_q <= DRAIN;
    else if (byte_valid_i) begin
      case (state_q)
        IDLE: begin
          state_q <= byte_i == COMMAND_RUN || measures ? TAG
              : byte_i == COMMAND_IDENTIFY ? IDLE : DRAIN;
        end
        TAG:      state_q <= measures_q ? CRC_HIGH : IMAGE;
        IMAGE:    state_q <= last_byte ? CRC_HIGH : IMAGE;
        CRC_HIGH: state_q <= CRC_LOW;
        CRC_LOW:  state_q <= CHECK;
        default:  state_q <= DRAIN;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || byte_valid_i || byte_error_i) begin
      timeout_q <= (TIMEOUT_BITS + 1)'(TimeoutClocks - 1);
    end else if (!timeout) begin
      timeout_q <= timeout_q - 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == TAG) begin
      left_q <= COUNT_BITS'(ImageBytes);
      lane_q <= '0;
    end else if (byte_valid_i) begin
      left_q <= left_q - 1'b1;
      lane_q <= last_lane ? '0 : lane_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    good_q <= crc_q == '0;
    if (byte_valid_i) crc_q <= crc_d;
    else if (state_q == IDLE) crc_q <= '1;
    if (byte_valid_i) begin
      if (state_q == IDLE) {measures_q, accept_q} <= {measures, ~window_full_i};
      if (state_q == TAG) tag_q <= byte_i;
      word_q <= {byte_i, word_q[Width-1:8]};
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q       <= 1'b0;
      commit_q      <= 1'b0;
      measure_q     <= 1'b0;
      discard_q     <= 1'b0;
      fault_valid_q <= 1'b0;
      identify_q    <= 1'b0;
    end else begin
      write_q       <= byte_valid_i & accept_q & (state_q == IMAGE) & last_lane;
      commit_q      <= finished & good_q & accept_q & ~measures_q;
      measure_q     <= finished & good_q & accept_q & measures_q;
      discard_q     <= broken | (finished & ~(good_q & accept_q));
      fault_valid_q <= (broken & (state_q != TAG)) | (finished & ~(good_q & accept_q));
      identify_q    <= byte_valid_i & (state_q == IDLE) & (byte_i == COMMAND_IDENTIFY);
    end
    if (!finished) fault_q <= byte_error_i ? FAULT_FRAMING : FAULT_TIMEOUT;
    else fault_q <= good_q ? FAULT_WINDOW : FAULT_CRC;
  end

  assign identify_o    = identify_q;
  assign measure_o     = measure_q;
  assign write_valid_o = write_q;
  assign write_data_o  = word_q;
  assign commit_o      = commit_q;
  assign discard_o     = discard_q;
  assign tag_o         = tag_q;
  assign fault_valid_o = fault_valid_q;
  assign fault_o       = fault_q;
endmodule
