// FIFO whose written words become readable only when they are committed, and vanish when they are
// discarded: a damaged or unfinished image never reaches the network.
//
// Latency     a committed word is offered four clocks later; initiation interval 1.
// Contract    the writer never holds more than Depth words (committed or not) that were not read;
//             commit_i and discard_i come in clocks without write_valid_i, never together.
// Form        one write and one registered read port, so that block RAM or LUT RAM fits it; a
//             register behind it, because an ECP5 block RAM takes 5.8 ns to its output (TFC folded
//             to 224 cycles: 100 MHz without it). No word is read in the clock in which it is
//             written, so there is no way around the memory, and the register may be the block's own.
//             Words above 256 bits are always in block RAM: four of 784 bits are 1,176 cells of
//             LUT RAM and 1,568 registers on an ECP5, or 22 blocks.
// Store       StoredWords > 0: so many words lie in the memory behind those of frames, from the
//             bitstream on. play_i (one clock) offers them in order, rounds_i times (0: 256), one a
//             clock; playing_o is high until the last of them is taken. Frames wait meanwhile.
//             play_i comes when no committed word is left.
//
module frame_buffer #(
  parameter int unsigned Width       = 32,
  parameter int unsigned Depth       = 64,  // words, a power of two
  parameter int unsigned StoredWords = 0,
  parameter              StoredFile  = ""   // all words of the memory, the stored ones last
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             write_valid_i,
  input  logic [Width-1:0] write_data_i,
  input  logic             commit_i,
  input  logic             discard_i,
  input  logic             play_i,
  input  logic [7:0]       rounds_i,
  output logic             playing_o,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  localparam int unsigned ADDRESS_BITS = $clog2(Depth);
  localparam int unsigned WORDS        = Depth + StoredWords;
  localparam int unsigned PLACE_BITS   = $clog2(WORDS);

  if (Depth < 2 || 2 ** ADDRESS_BITS != Depth) begin : gen_check
    $error("frame_buffer: Depth must be a power of two");
  end

  // One bit more than an address: equal pointers mean empty, not full.
  logic [ADDRESS_BITS:0] write_q, committed_q, read_q, next_q;
  (* no_rw_check, ram_style = StoredWords > 0 || Width > 256 ? "block" : "auto" *)
  logic [Width-1:0]      words[WORDS];
  logic [Width-1:0]      word_q, out_data_q;
  logic [PLACE_BITS-1:0] place;
  logic                  word_valid_q, out_valid_q, unread_q, move, read, read_frame;
  logic                  stored, more_stored, left_if_read, left_if_not;
  assign move         = word_valid_q & (~out_valid_q | out_ready_i);
  assign read         = (~word_valid_q | ~out_valid_q | out_ready_i) & unread_q;
  assign read_frame   = read & ~stored;
  assign left_if_read = stored ? more_stored : next_q != committed_q;
  assign left_if_not  = stored | (StoredWords > 0 && play_i) | (read_q != committed_q);

  if (StoredWords == 0) begin : gen_frames
    logic unused;
    assign unused      = play_i & (&rounds_i);
    assign stored      = 1'b0;
    assign more_stored = 1'b0;
    assign place       = read_q[ADDRESS_BITS-1:0];
    assign playing_o   = 1'b0;
  end else begin : gen_store
    logic [PLACE_BITS-1:0] place_q;
    logic [7:0]            rounds_q;
    logic                  stored_q, last_word_q, last_round_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) stored_q <= 1'b0;
      else if (play_i) stored_q <= 1'b1;
      else if (read && !more_stored) stored_q <= 1'b0;
    end
    always_ff @(posedge clk_i) begin
      if (play_i) begin
        place_q      <= PLACE_BITS'(Depth);
        last_word_q  <= StoredWords == 1;
        rounds_q     <= rounds_i;
        last_round_q <= rounds_i == 8'd1;
      end else if (read) begin
        place_q     <= last_word_q ? PLACE_BITS'(Depth) : place_q + 1'b1;
        last_word_q <= StoredWords == 1 || place_q == PLACE_BITS'(WORDS - 2);
        if (last_word_q) begin
          rounds_q     <= rounds_q - 1'b1;
          last_round_q <= rounds_q == 8'd2;
        end
      end
    end
    initial $readmemh(StoredFile, words);
    assign stored      = stored_q;
    assign more_stored = ~(last_word_q & last_round_q);
    assign place       = stored_q ? place_q : PLACE_BITS'(read_q[ADDRESS_BITS-1:0]);
    assign playing_o   = stored_q | word_valid_q | out_valid_q;
  end

  always_ff @(posedge clk_i) begin
    if (write_valid_i) words[PLACE_BITS'(write_q[ADDRESS_BITS-1:0])] <= write_data_i;
  end
  always_ff @(posedge clk_i) begin
    if (read) word_q <= words[place];
  end
  always_ff @(posedge clk_i) begin
    if (move) out_data_q <= word_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) write_q <= '0;
    else if (discard_i) write_q <= committed_q;
    else if (write_valid_i) write_q <= write_q + 1'b1;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) committed_q <= '0;
    else if (commit_i) committed_q <= write_q;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_q   <= '0;
      next_q   <= (ADDRESS_BITS + 1)'(1);
      unread_q <= 1'b0;
    end else begin
      if (read_frame) {next_q, read_q} <= {next_q + 1'b1, next_q};
      unread_q <= read ? left_if_read : left_if_not;
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) word_valid_q <= 1'b0;
    else if (read) word_valid_q <= 1'b1;
    else if (move) word_valid_q <= 1'b0;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else if (move) out_valid_q <= 1'b1;
    else if (out_ready_i) out_valid_q <= 1'b0;
  end

  assign out_valid_o = out_valid_q;
  assign out_data_o  = out_data_q;

`ifndef SYNTHESIS
`ifndef FORMAL
  logic [ADDRESS_BITS:0] held;
  assign held = write_q - read_q;
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      assert (!(write_valid_i && held == (ADDRESS_BITS + 1)'(Depth)))
        else $error("frame_buffer: overflow");
      assert (!(write_valid_i && (commit_i || discard_i)) && !(commit_i && discard_i))
        else $error("frame_buffer: write, commit and discard must come one at a time");
    end
  end
`endif
`endif
endmodule
