// Puts replies into the byte stream (docs/reference/serial-protocol.md has the protocol).
//
//   'i' version window id[4] image_bytes[2] result_bytes[2] crc crc    after identify_i
//   'e' tag fault crc crc                                              after fault_valid_i
//   'r' tag result[ResultBytes] crc crc                                for every result
//   'm' rounds report[16] crc crc                                      after measured_i
//
// Latency     a reply begins as soon as the one before it is finished; faults go first, then
//             identities, a report, results. Of faults only the first is kept until it is sent, and
//             requests for the identity that wait together get one reply.
// Bit order   the lowest byte of a result word goes first; numbers low byte first, the CRC high
//             byte first.
// Form        results stay in the network until their turn; its back pressure does the waiting.
//             result_done_o (one clock) tells that a result with its CRC was handed to the line,
//             reported_o the same of a report, which is held until then.
//             Four clocks lie between a byte that is taken and the next: a line is much slower.
//
module frame_sender #(
  parameter int unsigned Width       = 32,
  parameter int unsigned ImageBytes  = 8,
  parameter int unsigned ResultBytes = 8,
  parameter int unsigned Window      = 4,
  parameter bit          Store       = 1'b0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [31:0]      id_i,
  input  logic             identify_i,
  input  logic             fault_valid_i,
  input  logic [7:0]       fault_i,
  input  logic [7:0]       fault_tag_i,
  input  logic             measured_i,
  input  logic [7:0]       rounds_i,
  input  logic [127:0]     report_i,
  output logic             reported_o,
  input  logic             result_valid_i,
  output logic             result_ready_o,
  input  logic [Width-1:0] result_data_i,
  input  logic             result_last_i,
  input  logic [7:0]       result_tag_i,
  output logic             result_done_o,
  output logic             byte_valid_o,
  input  logic             byte_ready_i,
  output logic [7:0]       byte_o
);
  localparam int unsigned LANES     = Width / 8;
  localparam int unsigned LANE_BITS = $clog2(LANES);
  localparam logic [7:0] VERSION        = 8'd1;
  localparam logic [7:0] REPLY_IDENTITY = 8'h69;  // 'i'
  localparam logic [7:0] REPLY_FAULT    = 8'h65;  // 'e'
  localparam logic [7:0] REPLY_RESULT   = 8'h72;  // 'r'
  localparam logic [7:0] REPLY_REPORT   = 8'h6d;  // 'm'
  localparam int unsigned HEAD_BITS     = Store ? 5 : 4;
  localparam logic [HEAD_BITS-1:0] IDENTITY_LAST = HEAD_BITS'(10);
  localparam logic [HEAD_BITS-1:0] FAULT_LAST    = HEAD_BITS'(2);
  localparam logic [HEAD_BITS-1:0] RESULT_LAST   = HEAD_BITS'(1);
  localparam logic [HEAD_BITS-1:0] REPORT_LAST   = HEAD_BITS'(17);
  localparam logic [15:0] IMAGE_BYTES   = 16'(ImageBytes);
  localparam logic [15:0] RESULT_BYTES  = 16'(ResultBytes);

  if (ImageBytes > 65535 || ResultBytes > 65535 || Width % 8 != 0 || LANES < 2) begin : gen_check
    $error("frame_sender: lengths are 16 bits, words at least two bytes");
  end

  typedef enum logic [2:0] {IDLE, HEAD, TAKE, RESULT, CRC_HIGH, CRC_LOW} state_e;
  typedef enum logic [1:0] {IDENTITY, FAULT, ANSWER, REPORT} kind_e;
  state_e state_q;
  kind_e  kind_q;

  logic [HEAD_BITS-1:0] head_q, head_last;
  logic [LANE_BITS-1:0] lane_q;
  logic [Width-1:0]     word_q;
  logic [15:0]          crc_q, crc_d;
  logic [7:0]           head_byte, head_byte_q, report_byte_q, byte_q, fault_q, fault_tag_q;
  logic                 take_q;
  logic                 last_q, identify_q, fault_pending_q, measured_q, sent;
  logic                 start_identity, start_fault, start_report, fault_busy;
  logic                 end_q, ends;

  assign sent           = byte_valid_o & byte_ready_i;
  assign ends           = sent & end_q;  // the state, with its last byte
  assign start_fault    = (state_q == IDLE) & fault_pending_q;
  assign fault_busy     = fault_pending_q | (state_q != IDLE && kind_q == FAULT);
  assign start_identity = (state_q == IDLE) & ~fault_pending_q & identify_q;
  assign start_report   = (state_q == IDLE) & ~fault_pending_q & ~identify_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      identify_q      <= 1'b0;
      fault_pending_q <= 1'b0;
      measured_q      <= 1'b0;
    end else begin
      identify_q      <= identify_i | (identify_q & ~start_identity);
      measured_q      <= Store & (measured_i | (measured_q & ~start_report));
      fault_pending_q <= (fault_valid_i & ~fault_busy) | (fault_pending_q & ~start_fault);
    end
    if (fault_valid_i && !fault_busy) begin
      fault_q     <= fault_i;
      fault_tag_q <= fault_tag_i;
    end
  end

  always_comb begin
    case (kind_q)
      IDENTITY: begin
        head_last = IDENTITY_LAST;
        case (head_q[3:0])
          4'd0:    head_byte = REPLY_IDENTITY;
          4'd1:    head_byte = VERSION;
          4'd2:    head_byte = 8'(Window);
          4'd3:    head_byte = id_i[7:0];
          4'd4:    head_byte = id_i[15:8];
          4'd5:    head_byte = id_i[23:16];
          4'd6:    head_byte = id_i[31:24];
          4'd7:    head_byte = IMAGE_BYTES[7:0];
          4'd8:    head_byte = IMAGE_BYTES[15:8];
          4'd9:    head_byte = RESULT_BYTES[7:0];
          default: head_byte = RESULT_BYTES[15:8];
        endcase
      end
      FAULT: begin
        head_last = FAULT_LAST;
        case (head_q[1:0])
          2'd0:    head_byte = REPLY_FAULT;
          2'd1:    head_byte = fault_tag_q;
          default: head_byte = fault_q;
        endcase
      end
      REPORT: begin
        head_last = REPORT_LAST;
        head_byte = head_q == '0 ? REPLY_REPORT : rounds_i;
      end
      default: begin
        head_last = RESULT_LAST;
        head_byte = head_q == '0 ? REPLY_RESULT : result_tag_i;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= IDLE;
    end else begin
      case (state_q)
        IDLE: begin
          if (fault_pending_q || identify_q || measured_q || result_valid_i) state_q <= HEAD;
        end
        HEAD:     if (ends) state_q <= kind_q == ANSWER ? TAKE : CRC_HIGH;
        TAKE:     if (result_valid_i && take_q) state_q <= RESULT;
        RESULT: begin
          if (ends) state_q <= last_q ? CRC_HIGH : TAKE;
        end
        CRC_HIGH: if (ends) state_q <= CRC_LOW;
        default:  if (ends) state_q <= IDLE;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == IDLE) begin
      kind_q <= fault_pending_q ? FAULT : identify_q ? IDENTITY : measured_q ? REPORT : ANSWER;
      head_q <= '0;
    end else if (sent) begin
      head_q <= head_q + 1'b1;
    end
  end

  // From a register: it may stop a whole network within the clock.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) take_q <= 1'b0;
    else take_q <= (state_q == TAKE) & ~(take_q & result_valid_i);
  end

  always_ff @(posedge clk_i) begin
    if (state_q == TAKE) begin
      word_q <= result_data_i;
      last_q <= result_last_i;
      lane_q <= '0;
    end else if (sent) begin
      word_q <= {8'h00, word_q[Width-1:8]};
      lane_q <= lane_q + 1'b1;
    end
  end

  logic covered_q;  // by the CRC: the byte that was sent a clock ago
  crc16 i_crc (.crc_i(crc_q), .data_i(byte_q), .crc_o(crc_d));
  always_ff @(posedge clk_i) begin
    covered_q <= sent && (state_q == HEAD || state_q == RESULT);
    if (state_q == IDLE) crc_q <= '1;
    else if (covered_q) crc_q <= crc_d;
  end

  // What a byte depends on changes when the one before it is sent; three clocks later it is there.
  // Byte p of a report follows the two of its head: it is chosen by the low bits of p + 2.
  logic         sends, valid_q;
  logic [1:0]   settled_q;
  logic [127:0] rotated;
  logic [31:0]  report_word_q;
  assign sends   = (state_q != IDLE) & (state_q != TAKE);
  assign rotated = {report_i[111:0], report_i[127:112]};
  always_ff @(posedge clk_i) begin
    end_q         <= state_q == HEAD ? head_q == head_last
        : state_q != RESULT || lane_q == LANE_BITS'(LANES - 1);
    head_byte_q   <= head_byte;
    report_word_q <= rotated[32*head_q[3:2]+:32];
    report_byte_q <= report_word_q[8*head_q[1:0]+:8];
    case (state_q)
      HEAD:     byte_q <= kind_q == REPORT && |head_q[HEAD_BITS-1:1] ? report_byte_q : head_byte_q;
      RESULT:   byte_q <= word_q[7:0];
      CRC_HIGH: byte_q <= crc_q[15:8];
      default:  byte_q <= crc_q[7:0];
    endcase
    if (!rst_ni || !sends || sent) {settled_q, valid_q} <= '0;
    else {settled_q, valid_q} <= {1'b1, settled_q};
  end
  assign byte_o         = byte_q;
  assign byte_valid_o   = valid_q;
  assign result_ready_o = take_q;
  assign reported_o     = sent & (state_q == CRC_LOW) & (kind_q == REPORT);
  assign result_done_o  = sent & (state_q == CRC_LOW) & (kind_q == ANSWER);
endmodule
