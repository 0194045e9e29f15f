// Compares a network's results with those that lie in a memory, and counts clocks: the rate of the
// network itself, which no line between it and a host limits.
//
// Use         measure_i (one clock) begins; play_o has the stored images offered, rounds_i times
//             (0: 256), and every result is compared until none is expected any more. Then
//             measured_o is high for one clock, and report_o holds, 32 bits each from the lowest:
//             results (last words), words that differ, and the clocks from the first word that the
//             network took to the last word of the first and of the last result.
// Begin       waits until idle_i, that is until no other image is in the network. Results belong
//             here while measuring_o is high. busy_o is from measure_i until the report has been
//             sent: reported_i.
// Latency     results are taken from the fourth clock after play_o on, one a clock; in_ready_o is
//             high for them alone.
// Form        what is counted comes from registers, so that counters limit no clock; start and
//             ends of the clocks that are counted are late alike.
//
module vector_store #(
  parameter int unsigned Width      = 32,
  parameter int unsigned Words      = 2,  // of all results
  parameter              ResultFile = ""  // two words more, before them
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             measure_i,
  input  logic [7:0]       rounds_i,
  input  logic             idle_i,
  output logic             busy_o,
  output logic             play_o,
  output logic             measuring_o,
  input  logic             taken_i,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  input  logic             in_last_i,
  output logic             measured_o,
  input  logic             reported_i,
  output logic [7:0]       rounds_o,
  output logic [127:0]     report_o
);
  localparam int unsigned PAIRS = (Width + 1) / 2;

  logic             waiting_q, play_q, measuring_q, reporting_q, expected_valid, playing, taken;
  logic [7:0]       rounds_q;
  logic [Width-1:0] expected;
  assign busy_o      = waiting_q | play_q | measuring_q | reporting_q;
  assign play_o      = play_q;
  assign measuring_o = measuring_q;
  assign rounds_o    = rounds_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) {waiting_q, play_q, measuring_q, reporting_q} <= '0;
    else begin
      waiting_q   <= (measure_i & ~busy_o) | (waiting_q & ~idle_i);
      play_q      <= waiting_q & idle_i;
      measuring_q <= play_q | (measuring_q & ~measured_o);
      reporting_q <= measured_o | (reporting_q & ~reported_i);
    end
    if (measure_i && !busy_o) rounds_q <= rounds_i;
  end

  frame_buffer #(
    .Width(Width), .Depth(2), .StoredWords(Words), .StoredFile(ResultFile)
  ) i_results (
    .clk_i, .rst_ni, .write_valid_i(1'b0), .write_data_i('0), .commit_i(1'b0), .discard_i(1'b0),
    .play_i(play_q), .rounds_i(rounds_q), .playing_o(playing),
    .out_valid_o(expected_valid), .out_ready_i(taken), .out_data_o(expected)
  );
  assign in_ready_o = expected_valid;
  assign taken      = in_valid_i & expected_valid;

  // A result is taken; a clock later its pairs of bits are compared, two clocks later the word is,
  // three clocks later it is counted, if it is wrong.
  logic [2*PAIRS-1:0] differences;
  logic [PAIRS-1:0]   differs_q;
  logic               taken_q, wrong_word_q, last_q, begins_q, running_q, first_q, over_q;
  logic               measured_q;
  logic [31:0]        results_q, wrong_q, clock_q, first_clock_q, last_clock_q;
  assign differences = (2 * PAIRS)'(in_data_i ^ expected);
  always_ff @(posedge clk_i) begin
    for (int unsigned i = 0; i < PAIRS; i++) differs_q[i] <= |differences[2*i+:2];
    if (!rst_ni || !measuring_q) begin
      taken_q      <= 1'b0;
      wrong_word_q <= 1'b0;
      last_q       <= 1'b0;
      begins_q     <= 1'b0;
      over_q       <= 1'b0;
      measured_q   <= 1'b0;
    end else begin
      taken_q      <= taken;
      wrong_word_q <= taken_q & |differs_q;
      last_q       <= taken & in_last_i;
      begins_q     <= taken_i;
      over_q       <= ~playing;
      measured_q   <= over_q;
    end
  end
  always_ff @(posedge clk_i) begin
    if (play_q) begin
      results_q <= '0;
      wrong_q   <= '0;
      clock_q   <= '0;
      running_q <= 1'b0;
      first_q   <= 1'b1;
    end else begin
      if (last_q) results_q <= results_q + 1'b1;
      if (wrong_word_q) wrong_q <= wrong_q + 1'b1;
      if (begins_q || running_q) clock_q <= clock_q + 1'b1;
      if (begins_q) running_q <= 1'b1;
      if (last_q) first_q <= 1'b0;
    end
    if (last_q && first_q) first_clock_q <= clock_q;
    if (last_q) last_clock_q <= clock_q;
  end
  assign measured_o = measured_q & measuring_q;
  assign report_o   = {last_clock_q, first_clock_q, wrong_q, results_q};
endmodule
