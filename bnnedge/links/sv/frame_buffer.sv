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
//
module frame_buffer #(
  parameter int unsigned Width = 32,
  parameter int unsigned Depth = 64  // words, a power of two
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             write_valid_i,
  input  logic [Width-1:0] write_data_i,
  input  logic             commit_i,
  input  logic             discard_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  localparam int unsigned ADDRESS_BITS = $clog2(Depth);

  if (Depth < 2 || 2 ** ADDRESS_BITS != Depth) begin : gen_check
    $error("frame_buffer: Depth must be a power of two");
  end

  // One bit more than an address: equal pointers mean empty, not full.
  logic [ADDRESS_BITS:0] write_q, committed_q, read_q, next_q;
  (* no_rw_check *) logic [Width-1:0] words[Depth];
  logic [Width-1:0]      word_q, out_data_q;
  logic                  word_valid_q, out_valid_q, unread_q, move, read;
  assign move = word_valid_q & (~out_valid_q | out_ready_i);
  assign read = (~word_valid_q | move) & unread_q;

  always_ff @(posedge clk_i) begin
    if (write_valid_i) words[write_q[ADDRESS_BITS-1:0]] <= write_data_i;
  end
  always_ff @(posedge clk_i) begin
    if (read) word_q <= words[read_q[ADDRESS_BITS-1:0]];
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
      if (read) {next_q, read_q} <= {next_q + 1'b1, next_q};
      unread_q <= (read ? next_q : read_q) != committed_q;
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
endmodule
