// Circular line buffer: a feature map in, the taps of every window position out.
//
// Function    Pixels of PixelWords words arrive row by row. For every output pixel, row by row, the
//             words of its window leave in the order [group][tap row][tap column][word in group];
//             out_pad_o marks a tap outside the feature map, whose out_data_o means nothing.
// Throughput  a word in and a word out per cycle, at once and across frames: the reader only waits
//             for words that have not come, the writer for room. A frame takes the larger of its
//             words in and its words out if Depth is large enough (the Python signature sees to it).
// Latency     1 + BlockRam cycles from a step of the reader to its word.
// Back-press. The reader stops as a whole; in_ready_o comes from a register.
// Form        Words are addressed by their position in the endless stream of frames, modulo Depth, a
//             power of two, so frames follow each other without a seam. Each of six nested loops
//             moves the position by a constant when it advances; padding has (virtual) positions
//             too, so that all moves are constants. Instead of comparing positions, `ahead_q` counts
//             the words that have come beyond the reader's position, and `space_q` those that may
//             still come before the current window's first word would be overwritten; both are
//             less by one than they say, so that their sign bit decides.
//             Deep block RAM is in slices of 8 bits: of wider words synthesis makes rows of blocks,
//             to use the bits for parity, with a multiplexer behind them.
//             Windows may move backwards in the stream (padding wider than the window): that many
//             words are kept on top.
module line_buffer #(
  parameter int unsigned Width          = 8,
  parameter int unsigned PixelWords     = 1,
  parameter int unsigned Groups         = 1,
  parameter int unsigned InHeight       = 4,
  parameter int unsigned InWidth        = 4,
  parameter int unsigned KernelHeight   = 3,
  parameter int unsigned KernelWidth    = 3,
  parameter int unsigned StrideHeight   = 1,
  parameter int unsigned StrideWidth    = 1,
  parameter int unsigned DilationHeight = 1,
  parameter int unsigned DilationWidth  = 1,
  parameter int unsigned PadTop         = 0,
  parameter int unsigned PadLeft        = 0,
  parameter int unsigned PadBottom      = 0,
  parameter int unsigned PadRight       = 0,
  parameter int unsigned Depth          = 32,
  parameter bit          BlockRam       = 1'b0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o,
  output logic             out_pad_o
);
  localparam int GROUP_WORDS = PixelWords / Groups;
  localparam int HEIGHT      = InHeight + PadTop + PadBottom;
  localparam int WIDTH       = InWidth + PadLeft + PadRight;
  localparam int SPAN_HEIGHT = (KernelHeight - 1) * DilationHeight + 1;
  localparam int SPAN_WIDTH  = (KernelWidth - 1) * DilationWidth + 1;
  localparam int OUT_HEIGHT  = (HEIGHT - SPAN_HEIGHT) / StrideHeight + 1;
  localparam int OUT_WIDTH   = (WIDTH - SPAN_WIDTH) / StrideWidth + 1;

  localparam int START = (PadTop * InWidth + PadLeft) * PixelWords;  // of padding before a frame

  // Words from a window's first to its last, in one group and in all.
  localparam int GROUP_SPAN  =
      ((SPAN_HEIGHT - 1) * InWidth + SPAN_WIDTH - 1) * PixelWords + GROUP_WORDS - 1;
  localparam int WINDOW_SPAN = GROUP_SPAN + PixelWords - GROUP_WORDS;
  // Moves of the window: to the next pixel, the next line, the next frame.
  localparam int TO_PIXEL = StrideWidth * PixelWords;
  localparam int TO_LINE  = (StrideHeight * InWidth - (OUT_WIDTH - 1) * StrideWidth) * PixelWords;
  localparam int TO_FRAME = ((InHeight - (OUT_HEIGHT - 1) * StrideHeight) * InWidth
                             - (OUT_WIDTH - 1) * StrideWidth) * PixelWords;
  // Moves of the reader when a loop advances and the loops inside it start again.
  localparam int MOVE_COLUMN = DilationWidth * PixelWords - GROUP_WORDS + 1;
  localparam int MOVE_ROW    =
      (DilationHeight * InWidth - SPAN_WIDTH + 1) * PixelWords - GROUP_WORDS + 1;
  localparam int MOVE_GROUP  = GROUP_WORDS - GROUP_SPAN;
  localparam int MOVE_PIXEL  = TO_PIXEL - WINDOW_SPAN;
  localparam int MOVE_LINE   = TO_LINE - WINDOW_SPAN;
  localparam int MOVE_FRAME  = TO_FRAME - WINDOW_SPAN;

  // A frame's first tap waits, as if it were not padding but the frame's first word; the move away
  // from there is that of the innermost loop that has more than one turn.
  localparam int FIRST_MOVE = GROUP_WORDS > 1 ? 1 : KernelWidth > 1 ? MOVE_COLUMN
      : KernelHeight > 1 ? MOVE_ROW : Groups > 1 ? MOVE_GROUP : OUT_WIDTH > 1 ? MOVE_PIXEL
      : OUT_HEIGHT > 1 ? MOVE_LINE : MOVE_FRAME + START;

  localparam int BACKWARD = TO_LINE < 0 || TO_FRAME < 0
      ? (TO_LINE < TO_FRAME ? -TO_LINE : -TO_FRAME) : 0;
  localparam int CAPACITY = Depth - BACKWARD;
  localparam int ADDR_BITS = $clog2(Depth);
  localparam int unsigned SLICE = Depth > 2048 ? 8 : Width;  // of a word, in a block RAM
  // Credits never exceed the buffer, and how far a window can be ahead of what has come.
  localparam int LAG_HEIGHT = DilationHeight + (PadBottom > StrideHeight ? PadBottom : StrideHeight);
  localparam int LAG_WIDTH  = DilationWidth + StrideWidth + PadLeft + PadRight;
  localparam int CREDIT_BITS = 1 + $clog2(Depth + (LAG_HEIGHT * InWidth + LAG_WIDTH) * PixelWords);

  if (GROUP_WORDS * Groups != PixelWords || (1 << ADDR_BITS) != Depth) begin : gen_bad_words
    $error("line_buffer: Groups must divide PixelWords, and Depth must be a power of two");
  end
  if (CAPACITY <= WINDOW_SPAN || CAPACITY <= START) begin : gen_bad_depth
    $error("line_buffer: Depth does not hold a window, or the padding before a frame");
  end

  // ---- writer
  logic [CREDIT_BITS-1:0] space_q, ahead_q;
  logic [ADDR_BITS-1:0]   write_q, read_q;
  logic                   write;

  assign in_ready_o = ~space_q[CREDIT_BITS-1];
  assign write      = in_valid_i & in_ready_o;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) write_q <= '0;
    else if (write) write_q <= write_q + 1'b1;
  end

  // ---- reader: the loops, innermost first
  logic en, step, pad, first;
  logic word_last, column_last, row_last, group_last, pixel_last, line_last;
  logic column_end, row_end, group_end, pixel_end, line_end;  // it and all loops inside it

  // Padding needs no word, but a frame whose first word has not come may never come.
  assign step       = en & ((pad & ~first) | ~ahead_q[CREDIT_BITS-1]);
  assign column_end = word_last & column_last;
  assign row_end    = column_end & row_last;
  assign group_end  = row_end & group_last;
  assign pixel_end  = group_end & pixel_last;
  assign line_end   = pixel_end & line_last;

  loop_counter #(.Bound(GROUP_WORDS)) i_words (.clk_i, .rst_ni, .step_i(step), .last_o(word_last));
  loop_counter #(
    .Bound(KernelWidth)
  ) i_columns (
    .clk_i, .rst_ni, .step_i(step & word_last), .last_o(column_last)
  );
  loop_counter #(
    .Bound(KernelHeight)
  ) i_rows (
    .clk_i, .rst_ni, .step_i(step & column_end), .last_o(row_last)
  );
  loop_counter #(
    .Bound(Groups)
  ) i_groups (
    .clk_i, .rst_ni, .step_i(step & row_end), .last_o(group_last)
  );
  loop_counter #(
    .Bound(OUT_WIDTH)
  ) i_pixels (
    .clk_i, .rst_ni, .step_i(step & group_end), .last_o(pixel_last)
  );
  loop_counter #(
    .Bound(OUT_HEIGHT)
  ) i_lines (
    .clk_i, .rst_ni, .step_i(step & pixel_end), .last_o(line_last)
  );

  // ---- positions: 2's complement, modulo the width of what takes them
  logic [CREDIT_BITS-1:0] minus_move, release_less_one;

  always_comb begin
    if (first) minus_move = CREDIT_BITS'(START - FIRST_MOVE);
    else if (!word_last) minus_move = CREDIT_BITS'(-1);
    else if (!column_last) minus_move = CREDIT_BITS'(-MOVE_COLUMN);
    else if (!row_last) minus_move = CREDIT_BITS'(-MOVE_ROW);
    else if (!group_last) minus_move = CREDIT_BITS'(-MOVE_GROUP);
    else if (!pixel_last) minus_move = CREDIT_BITS'(-MOVE_PIXEL);
    else if (!line_last) minus_move = CREDIT_BITS'(-MOVE_LINE);
    else minus_move = CREDIT_BITS'(-MOVE_FRAME - START);

    if (!step || !group_end) release_less_one = '1;
    else if (!pixel_last) release_less_one = CREDIT_BITS'(TO_PIXEL - 1);
    else if (!line_last) release_less_one = CREDIT_BITS'(TO_LINE - 1);
    else release_less_one = CREDIT_BITS'(TO_FRAME - 1);
  end

  // A word that is written is the carry-in: one adder each.
  logic [CREDIT_BITS-1:0] ahead_d, space_d;
  logic                   unused_ahead, unused_space;
  assign {ahead_d, unused_ahead} = {ahead_q, 1'b1} + {step ? minus_move : '0, write};
  assign {space_d, unused_space} = {space_q, 1'b1} + {release_less_one, ~write};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_q  <= '0;
      ahead_q <= '1;
      space_q <= CREDIT_BITS'(CAPACITY - START - 1);
    end else begin
      if (step) read_q <= read_q - ADDR_BITS'(minus_move);
      ahead_q <= ahead_d;
      space_q <= space_d;
    end
  end

  // ---- padding: the next tap's row and column in the padded feature map
  if (PadTop + PadLeft + PadBottom + PadRight == 0) begin : gen_no_pad
    assign pad = 1'b0;
  end else begin : gen_pad
    localparam int Y_BITS = HEIGHT > 1 ? $clog2(HEIGHT) : 1;
    localparam int X_BITS = WIDTH > 1 ? $clog2(WIDTH) : 1;
    logic [Y_BITS-1:0] y_q, y_d;
    logic [X_BITS-1:0] x_q, x_d;
    logic              above, below, left, right, pad_q;

    always_comb begin
      x_d = x_q;
      y_d = y_q;
      if (word_last && !column_last) begin
        x_d = x_q + X_BITS'(DilationWidth);
      end else if (column_end) begin
        if (!group_end) x_d = x_q - X_BITS'(SPAN_WIDTH - 1);
        else if (!pixel_last) x_d = x_q + X_BITS'(int'(StrideWidth) - SPAN_WIDTH + 1);
        else x_d = '0;
        if (!row_last) y_d = y_q + Y_BITS'(DilationHeight);
        else if (!pixel_end) y_d = y_q - Y_BITS'(SPAN_HEIGHT - 1);
        else if (!line_last) y_d = y_q + Y_BITS'(int'(StrideHeight) - SPAN_HEIGHT + 1);
        else y_d = '0;
      end
    end

    // A comparison that is always false would be linted.
    if (PadTop > 0) begin : gen_top
      assign above = y_d < Y_BITS'(PadTop);
    end else begin : gen_no_top
      assign above = 1'b0;
    end
    if (PadBottom > 0) begin : gen_bottom
      assign below = y_d >= Y_BITS'(InHeight + PadTop);
    end else begin : gen_no_bottom
      assign below = 1'b0;
    end
    if (PadLeft > 0) begin : gen_left
      assign left = x_d < X_BITS'(PadLeft);
    end else begin : gen_no_left
      assign left = 1'b0;
    end
    if (PadRight > 0) begin : gen_right
      assign right = x_d >= X_BITS'(InWidth + PadLeft);
    end else begin : gen_no_right
      assign right = 1'b0;
    end

    assign pad = pad_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        y_q   <= '0;
        x_q   <= '0;
        pad_q <= PadTop > 0 || PadLeft > 0;
      end else if (step) begin
        y_q   <= y_d;
        x_q   <= x_d;
        pad_q <= above | below | left | right;
      end
    end
  end

  if (START == 0) begin : gen_no_first
    logic unused;
    assign unused = line_end;
    assign first  = 1'b0;
  end else begin : gen_first
    logic first_q;
    assign first = first_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) first_q <= 1'b1;
      else if (step) first_q <= line_end;
    end
  end

  // ---- memory and output
  logic             valid_q, pad_q;
  logic [Width-1:0] data_q;

  if (BlockRam) begin : gen_block
    logic             read_valid_q, read_pad_q;
    logic [Width-1:0] read_data_q;
    for (genvar b = 0; b < Width; b += SLICE) begin : gen_slice
      localparam int unsigned BITS = Width - b < SLICE ? Width - b : SLICE;
      // Never read in the cycle in which it is written.
      (* ram_style = "block", no_rw_check *) logic [BITS-1:0] memory[Depth];
      always_ff @(posedge clk_i) begin
        if (write) memory[write_q] <= in_data_i[b+:BITS];
        if (en) read_data_q[b+:BITS] <= memory[read_q];
      end
    end
    always_ff @(posedge clk_i) begin
      if (en) begin
        read_pad_q <= pad;
        data_q     <= read_data_q;
        pad_q      <= read_pad_q;
      end
      if (!rst_ni) begin
        read_valid_q <= 1'b0;
        valid_q      <= 1'b0;
      end else if (en) begin
        read_valid_q <= step;
        valid_q      <= read_valid_q;
      end
    end
  end else begin : gen_distributed
    (* ram_style = "distributed" *) logic [Width-1:0] memory[Depth];
    always_ff @(posedge clk_i) begin
      if (write) memory[write_q] <= in_data_i;
      if (en) begin
        data_q <= memory[read_q];
        pad_q  <= pad;
      end
      if (!rst_ni) valid_q <= 1'b0;
      else if (en) valid_q <= step;
    end
  end

  assign en          = ~valid_q | out_ready_i;
  assign out_valid_o = valid_q;
  assign out_data_o  = data_q;
  assign out_pad_o   = pad_q;
endmodule
