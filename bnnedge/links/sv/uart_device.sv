// The network as a device on a serial line (docs/reference/serial-protocol.md).
//
// Latency     an image enters bnnedge_core once its CRC has been checked; its reply begins when
//             the first result word leaves the core and the line is free.
// Window      at most Window images may be unanswered. Their tags and their words have room here
//             for exactly that many, so no stall of the core can overflow anything; one image
//             more is dropped and answered with a fault.
// Store       StoredImages > 0: so many images and their results lie in block RAM, and a command
//             runs them as fast as the network takes them (vector_store.sv); images from the line
//             are refused meanwhile.
//
module uart_device #(
  parameter int unsigned ClocksPerBit  = 16,
  parameter int unsigned TimeoutClocks = 100000,
  parameter int unsigned Window        = 4,  // a power of two
  parameter int unsigned InputWidth    = 32,
  parameter int unsigned InputBeats    = 2,
  parameter int unsigned OutputWidth   = 32,
  parameter int unsigned OutputBeats   = 2,
  parameter int unsigned StoredImages  = 0,
  parameter              ImageFile     = "",  // of memories with all words of these
  parameter              ResultFile    = ""
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic rx_i,
  output logic tx_o
);
  localparam int unsigned IMAGE_BYTES  = InputBeats * InputWidth / 8;
  localparam int unsigned RESULT_BYTES = OutputBeats * OutputWidth / 8;
  localparam int unsigned BUFFER_WORDS = 2 ** $clog2(Window * InputBeats);
  localparam int unsigned WINDOW_BITS  = $clog2(Window);
  localparam bit          STORE        = StoredImages > 0;

  if (Window < 2 || 2 ** WINDOW_BITS != Window) begin : gen_check
    $error("uart_device: Window must be a power of two");
  end

  logic       rx_valid, rx_error, tx_valid, tx_ready;
  logic [7:0] rx_data, tx_data;
  uart_rx #(.ClocksPerBit(ClocksPerBit)) i_uart_rx (
    .clk_i, .rst_ni, .rx_i, .valid_o(rx_valid), .data_o(rx_data), .error_o(rx_error)
  );
  uart_tx #(.ClocksPerBit(ClocksPerBit)) i_uart_tx (
    .clk_i, .rst_ni, .in_valid_i(tx_valid), .in_ready_o(tx_ready), .in_data_i(tx_data), .tx_o
  );

  logic                  identify, write_valid, commit, discard, fault_valid, result_done;
  logic                  measure, measuring, measured, reported, busy, play, store_ready;
  logic [InputWidth-1:0] write_data;
  logic [7:0]            tag, fault, rounds;
  logic [127:0]          report;

  // Tags of the images between commit and the end of their reply; equal pointers mean none.
  logic [WINDOW_BITS:0] commit_q, done_q;
  logic [7:0]           tags[Window];
  logic [7:0]           result_tag_q;  // there long before the result is
  logic                 window_full;
  assign window_full = commit_q - done_q == (WINDOW_BITS + 1)'(Window);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) commit_q <= '0;
    else if (commit) commit_q <= commit_q + 1'b1;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) done_q <= '0;
    else if (result_done) done_q <= done_q + 1'b1;
  end
  always_ff @(posedge clk_i) begin
    if (commit) tags[commit_q[WINDOW_BITS-1:0]] <= tag;
    result_tag_q <= tags[done_q[WINDOW_BITS-1:0]];
  end

  frame_receiver #(
    .Width(InputWidth), .ImageBytes(IMAGE_BYTES), .TimeoutClocks(TimeoutClocks), .Store(STORE)
  ) i_frame_receiver (
    .clk_i, .rst_ni,
    .byte_valid_i(rx_valid), .byte_i(rx_data), .byte_error_i(rx_error),
    .window_full_i(window_full | busy), .identify_o(identify), .measure_o(measure),
    .write_valid_o(write_valid), .write_data_o(write_data),
    .commit_o(commit), .discard_o(discard), .tag_o(tag),
    .fault_valid_o(fault_valid), .fault_o(fault)
  );

  logic                  in_valid, in_ready;
  logic [InputWidth-1:0] in_data;
  logic                  unused_playing;
  frame_buffer #(
    .Width(InputWidth), .Depth(BUFFER_WORDS),
    .StoredWords(StoredImages * InputBeats), .StoredFile(ImageFile)
  ) i_frame_buffer (
    .clk_i, .rst_ni,
    .write_valid_i(write_valid), .write_data_i(write_data),
    .commit_i(commit), .discard_i(discard),
    .play_i(play), .rounds_i(rounds), .playing_o(unused_playing),
    .out_valid_o(in_valid), .out_ready_i(in_ready), .out_data_o(in_data)
  );

  logic                   out_valid, out_ready, out_last, sender_ready;
  logic [OutputWidth-1:0] out_data;
  logic [31:0]            id;
  bnnedge_core i_core (
    .clk_i, .rst_ni,
    .s_axis_tdata(in_data), .s_axis_tvalid(in_valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out_data), .m_axis_tvalid(out_valid), .m_axis_tready(out_ready),
    .m_axis_tlast(out_last), .id_o(id)
  );
  assign out_ready = sender_ready | store_ready;  // neither without a result of its own to take

  if (STORE) begin : gen_store
    vector_store #(
      .Width(OutputWidth), .Words(StoredImages * OutputBeats), .ResultFile(ResultFile)
    ) i_vector_store (
      .clk_i, .rst_ni, .measure_i(measure), .rounds_i(tag), .idle_i(commit_q == done_q),
      .busy_o(busy), .play_o(play), .measuring_o(measuring), .taken_i(in_valid & in_ready),
      .in_valid_i(out_valid), .in_ready_o(store_ready), .in_data_i(out_data),
      .in_last_i(out_last), .measured_o(measured), .reported_i(reported), .rounds_o(rounds),
      .report_o(report)
    );
  end else begin : gen_no_store
    logic unused;
    assign unused = measure & reported;
    assign {busy, play, measuring, store_ready, measured} = '0;
    assign rounds = '0;
    assign report = '0;
  end

  frame_sender #(
    .Width(OutputWidth), .ImageBytes(IMAGE_BYTES), .ResultBytes(RESULT_BYTES), .Window(Window),
    .Store(STORE)
  ) i_frame_sender (
    .clk_i, .rst_ni, .id_i(id), .identify_i(identify),
    .fault_valid_i(fault_valid), .fault_i(fault), .fault_tag_i(tag),
    .measured_i(measured), .rounds_i(rounds), .report_i(report), .reported_o(reported),
    .result_valid_i(out_valid & ~measuring), .result_ready_o(sender_ready), .result_data_i(out_data),
    .result_last_i(out_last), .result_tag_i(result_tag_q),
    .result_done_o(result_done),
    .byte_valid_o(tx_valid), .byte_ready_i(tx_ready), .byte_o(tx_data)
  );
endmodule
