  // Every tap is that word of its frame which output pixel, group, tap and word in the group say, or
  // padding. `out_q` counts taps, `came_q` the words that came since the reader's frame began, which
  // lies at `base_q`; positions are those of words in that frame, and virtual ones of padding. Any
  // word is followed from where it comes until another takes its place.
  localparam int FRAME_IN   = InHeight * InWidth * PixelWords;
  localparam int FRAME_OUT  = OUT_HEIGHT * OUT_WIDTH * PixelWords * KernelHeight * KernelWidth;
  localparam int STAGES     = 1 + BlockRam;
  localparam int OUT_BITS   = $clog2(FRAME_OUT + 1);
  localparam int PLACE_BITS = $clog2(4 * (Depth + FRAME_IN + FRAME_OUT)) + 2;
  localparam int IN_HEIGHT  = InHeight;
  localparam int IN_WIDTH   = InWidth;
  localparam int IN_WORDS   = PixelWords;
  localparam int TOP        = PadTop;
  localparam int LEFT       = PadLeft;
`ifdef FORMAL
  (* anyseq *) logic           follow;
`else
  logic follow;
  assign follow = 1'b1;
`endif
  logic [OUT_BITS-1:0]         out_q, tap_word, tap_group, tap_row, tap_column, pixel_x, pixel_y;
  logic [ADDR_BITS-1:0]        base_q;
  logic [Width-1:0]            word_q;
  logic signed [PLACE_BITS-1:0] came_q, came, window, behind, tap, row, column, followed_q, age;
  logic                        outside, goes, frame_ends, writes, follows_q;
  logic [STAGES:0]             valid_at, pad_at, hit_at;
  logic [(STAGES+1)*Width-1:0] word_at;
`ifdef FORMAL
  initial assume (!rst_ni);
`endif

  // ---- what the order of taps says
  assign tap_word   = out_q % OUT_BITS'(GROUP_WORDS);
  assign tap_column = out_q / OUT_BITS'(GROUP_WORDS) % OUT_BITS'(KernelWidth);
  assign tap_row    = out_q / OUT_BITS'(GROUP_WORDS * KernelWidth) % OUT_BITS'(KernelHeight);
  assign tap_group  = out_q / OUT_BITS'(GROUP_WORDS * KernelWidth * KernelHeight) % OUT_BITS'(Groups);
  assign pixel_x    = out_q / OUT_BITS'(IN_WORDS * KernelWidth * KernelHeight)
      % OUT_BITS'(OUT_WIDTH);
  assign pixel_y    = out_q / OUT_BITS'(IN_WORDS * KernelWidth * KernelHeight * OUT_WIDTH);
  assign row        = PLACE_BITS'(pixel_y * StrideHeight + tap_row * DilationHeight) - PLACE_BITS'(TOP);
  assign column     = PLACE_BITS'(pixel_x * StrideWidth + tap_column * DilationWidth) - PLACE_BITS'(LEFT);
  assign outside    = row < 0 || row >= IN_HEIGHT || column < 0 || column >= IN_WIDTH;
  assign window     = PLACE_BITS'((pixel_y * StrideHeight - TOP) * InWidth
                                  + pixel_x * StrideWidth - LEFT) * PLACE_BITS'(IN_WORDS);
  // Windows may move backwards from a line's or a frame's last one.
  assign behind     = PLACE_BITS'((pixel_y * StrideHeight - StrideHeight - TOP) * InWidth
                                  + (OUT_WIDTH - 1) * StrideWidth - LEFT
                                  + (pixel_y == '0 ? (OUT_HEIGHT * StrideHeight - IN_HEIGHT) * InWidth : 0))
                      * PLACE_BITS'(IN_WORDS);
  assign tap        = START > 0 && out_q == '0 ? '0
      : (row * PLACE_BITS'(IN_WIDTH) + column) * PLACE_BITS'(IN_WORDS)
        + PLACE_BITS'(tap_group * GROUP_WORDS + tap_word);
  assign goes       = en && ((outside && out_q != '0) || came_q > tap);
  assign frame_ends = goes && out_q == OUT_BITS'(FRAME_OUT - 1);
  assign writes     = in_valid_i && came_q - window < CAPACITY;
  assign came       = came_q + PLACE_BITS'(writes);
  assign age        = came_q - followed_q;

  assign valid_at[0]       = goes;
  assign pad_at[0]         = outside;
  assign hit_at[0]         = follows_q && !outside && followed_q == tap;
  assign word_at[0+:Width] = word_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_q              <= '0;
      base_q             <= '0;
      came_q             <= '0;
      follows_q          <= 1'b0;
      valid_at[STAGES:1] <= '0;
    end else begin
      if (goes) out_q <= frame_ends ? '0 : out_q + 1'b1;
      if (frame_ends) base_q <= base_q + ADDR_BITS'(FRAME_IN);
      came_q <= came - (frame_ends ? PLACE_BITS'(FRAME_IN) : '0);
      if (follows_q) begin
        followed_q <= followed_q - (frame_ends ? PLACE_BITS'(FRAME_IN) : '0);
        follows_q  <= !(writes && age == Depth);
      end else if (writes && follow) begin
        followed_q <= came_q - (frame_ends ? PLACE_BITS'(FRAME_IN) : '0);
        follows_q  <= 1'b1;
        word_q     <= in_data_i;
      end
      if (en) valid_at[STAGES:1] <= valid_at[STAGES-1:0];
    end
    if (en) begin
      pad_at[STAGES:1]                  <= pad_at[STAGES-1:0];
      hit_at[STAGES:1]                  <= hit_at[STAGES-1:0];
      word_at[(STAGES+1)*Width-1:Width] <= word_at[STAGES*Width-1:0];
    end
  end

  // ---- where the module is
  logic [$clog2(GROUP_WORDS+1)-1:0]  inner_word;
  logic [$clog2(KernelWidth+1)-1:0]  inner_column;
  logic [$clog2(KernelHeight+1)-1:0] inner_row;
  logic [$clog2(Groups+1)-1:0]       inner_group;
  logic [$clog2(OUT_WIDTH+1)-1:0]    inner_x;
  logic [$clog2(OUT_HEIGHT+1)-1:0]   inner_y;
  assign inner_word   = i_words.counted;
  assign inner_column = i_columns.counted;
  assign inner_row    = i_rows.counted;
  assign inner_group  = i_groups.counted;
  assign inner_x      = i_pixels.counted;
  assign inner_y      = i_lines.counted;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      loops_as_counted:    assert (out_q < OUT_BITS'(FRAME_OUT) && 32'(inner_word) == 32'(tap_word)
          && 32'(inner_column) == 32'(tap_column) && 32'(inner_row) == 32'(tap_row)
          && 32'(inner_group) == 32'(tap_group) && 32'(inner_x) == 32'(pixel_x)
          && 32'(inner_y) == 32'(pixel_y));
      taken_if_room:       assert (in_ready_o == (came_q - window < CAPACITY)
          && space_q == CREDIT_BITS'(CAPACITY - 1 - (came_q - window))
          && came_q - CAPACITY <= (behind > window ? behind : window));
      waits_for_its_word:  assert (step == goes && ahead_q == CREDIT_BITS'(came_q - tap - 1'b1)
          && came_q > (out_q == '0 ? -FRAME_IN : 0)
          && (!step || outside || came_q - tap <= PLACE_BITS'(Depth)));
      padding_as_said:     assert (pad == outside && first == (START > 0 && out_q == '0));
      reads_its_word:      assert (read_q == ADDR_BITS'(base_q + ADDR_BITS'(tap)));
      writes_behind:       assert (write_q == ADDR_BITS'(base_q + ADDR_BITS'(came_q)));
      leaves_as_counted:   assert (out_valid_o == valid_at[STAGES]);
      is_padding_or_word:  assert (!valid_at[STAGES] || (out_pad_o == pad_at[STAGES]
          && (!hit_at[STAGES] || out_data_o == word_at[STAGES*Width+:Width])));
      followed_leaves:     cover (valid_at[STAGES] && hit_at[STAGES] && out_ready_i);
    end
  end

  logic [ADDR_BITS-1:0] followed_at;
  assign followed_at = base_q + ADDR_BITS'(followed_q);
  if (BlockRam) begin : gen_block_is
    logic [Width-1:0] kept;
    for (genvar b = 0; b < Width; b += SLICE) begin : gen_slice
      localparam int unsigned BITS = Width - b < SLICE ? Width - b : SLICE;
      assign kept[b+:BITS] = gen_block.gen_slice[b].memory[followed_at];
    end
    always_ff @(posedge clk_i) begin
      if (rst_ni) begin
        memory_is_followed: assert (!follows_q || (age > 0 && age <= Depth
                                                   && kept == word_q));
        first_is_read:      assert (gen_block.read_valid_q == valid_at[1] && (!valid_at[1]
            || (gen_block.read_pad_q == pad_at[1]
                && (!hit_at[1] || gen_block.read_data_q == word_at[Width+:Width]))));
      end
    end
  end else begin : gen_distributed_is
    always_ff @(posedge clk_i) begin
      if (rst_ni) memory_is_followed:
        assert (!follows_q || (age > 0 && age <= Depth
                               && gen_distributed.memory[followed_at] == word_q));
    end
  end
  if (PadTop + PadLeft + PadBottom + PadRight > 0) begin : gen_pads_as_counted
    always_ff @(posedge clk_i) begin
      if (rst_ni) place_as_counted:
        assert (PLACE_BITS'(gen_pad.y_q) == row + PLACE_BITS'(TOP)
                && PLACE_BITS'(gen_pad.x_q) == column + PLACE_BITS'(LEFT));
    end
  end
