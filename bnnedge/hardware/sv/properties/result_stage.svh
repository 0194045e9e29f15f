  // Of every total that is taken, its threshold or correction makes a result, in order, and none is
  // lost: `before_q` and `entry_q` are the total and what meets it, `wanted_q` the result offered.
  localparam int unsigned ENTRY       = TotalBits + (Thresholded ? 1 : 0);
  localparam int unsigned RESULT      = Thresholded ? 1 : TotalBits;
  localparam int unsigned COUNT       = $clog2(Folds + Height + Width + 1);
  localparam int unsigned PLACES      = RowClasses * ColumnClasses == 1 ? Folds
      : 1 << ((Folds > 1 ? $clog2(Folds) : 0) + (RowClasses > 1 ? $clog2(RowClasses) : 0)
              + (ColumnClasses > 1 ? $clog2(ColumnClasses) : 0));
  localparam bit          AHEAD       = TABLE && PLACES > 1 && PLACES * Pe * ENTRY >= AheadBits;
  localparam bit          WAITS       = AHEAD && !Early;  // the totals do, for their entries
  logic [COUNT-1:0]        fold_at, x_at, y_at;
  logic [Pe*TotalBits-1:0] before_q;
  logic [Pe*ENTRY-1:0]     entry, entry_q;
  logic [Pe*RESULT-1:0]    wanted, wanted_q;
  logic [Pe*TotalBits-1:0] last_before_q, ending_total;
  logic [Pe*ENTRY-1:0]     last_entry_q, ending_entry;
  logic                    takes, before_valid_q, last_valid_q, waits_q, ending, announced_q;
  logic                    read_valid_q;  // the next entry was read since the last total
`ifdef FORMAL
  initial assume (!rst_ni);
`endif
`ifdef FORMAL
  if (Early && AheadBits == 0) begin : gen_promised  // alone, it has no unit that keeps the promise of Early
    always_comb assume (!done_i || read_valid_q);
    always_comb assume (done_i == announced_q);
  end
`endif
  assign takes  = en_o & done_i;
  assign ending       = WAITS ? last_valid_q : TABLE ? before_valid_q : done_i;
  assign ending_total = WAITS ? last_before_q : before_q;
  assign ending_entry = WAITS ? last_entry_q : entry_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fold_at        <= '0;
      x_at           <= '0;
      y_at           <= '0;
      before_valid_q <= 1'b0;
      last_valid_q   <= 1'b0;
      waits_q        <= 1'b0;
      announced_q    <= 1'b0;
      read_valid_q   <= 1'b0;
    end else begin
      if (en_o) read_valid_q <= !takes;
      if (takes) fold_at <= fold_at == COUNT'(Folds - 1) ? '0 : fold_at + 1'b1;
      if (takes && fold_at == COUNT'(Folds - 1)) begin
        x_at <= x_at == COUNT'(Width - 1) ? '0 : x_at + 1'b1;
        if (x_at == COUNT'(Width - 1)) y_at <= y_at == COUNT'(Height - 1) ? '0 : y_at + 1'b1;
      end
      if (en_o) {last_valid_q, before_valid_q} <= {before_valid_q, done_i};
      if (en_o) announced_q <= next_i;
      waits_q <= (en_o & ending) | (waits_q & ~out_ready_i);
    end
    if (en_o) {before_q, entry_q} <= {total_i, entry};
    if (en_o) {last_before_q, last_entry_q} <= {before_q, entry_q};
    if (en_o && ending) wanted_q <= TABLE ? wanted : total_i;
  end
  for (genvar p = 0; p < Pe; p++) begin : gen_wanted
    logic [TotalBits-1:0] sum, bound;
    assign sum   = ending_total[p*TotalBits+:TotalBits];
    assign bound = ending_entry[p*ENTRY+:TotalBits];
    if (!Thresholded) begin : gen_corrected
      assign wanted[p*RESULT+:RESULT] = sum + bound;
    end else if (Signed) begin : gen_signed
      assign wanted[p] = ($signed(sum) >= $signed(bound)) ^ ending_entry[p*ENTRY+TotalBits];
    end else begin : gen_unsigned
      assign wanted[p] = (sum >= bound) ^ ending_entry[p*ENTRY+TotalBits];
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      offered_till_left: assert (out_valid_o == waits_q);
      is_its_result:     assert (!waits_q || out_data_o == wanted_q);
      none_is_lost:      assert (!(en_o && ending && waits_q && !out_ready_i));
      waits_for_room:    assert (en_o == !(ending && waits_q && (Early || !out_ready_i)));
      ends_as_taken:     assert (final_valid == ending && (!Early || done_i == announced_q)
          && fold_at < COUNT'(Folds) && x_at < COUNT'(Width) && y_at < COUNT'(Height));
      follows_at_once:   cover (en_o && ending && (waits_q || Early));
    end
  end

  if (TABLE) begin : gen_table_is
    always_ff @(posedge clk_i) begin
      if (rst_ni) total_meets_its_entry: assert ((!before_valid_q || total_q == before_q)
          && gen_table.total_valid_q == before_valid_q
          && (!ending || (gen_table.compared == ending_total
                          && gen_table.entries == ending_entry)));
    end
    if (AHEAD) begin : gen_reads
      always_ff @(posedge clk_i) begin
        if (rst_ni) entry_is_read: assert (WAITS
            ? !before_valid_q || gen_table.gen_fold.gen_ahead.read_q == entry_q
            : !read_valid_q || gen_table.gen_fold.gen_ahead.read_q == entry);
      end
    end
    if (Folds * RowClasses * ColumnClasses == 1) begin : gen_one
      assign entry = gen_table.gen_constant.rom[0];
    end else if (RowClasses * ColumnClasses == 1) begin : gen_folds
      assign entry = gen_table.gen_fold.rom[fold_at];
    end else begin : gen_classes
      localparam int unsigned FOLDS   = Folds > 1 ? $clog2(Folds) : 0;
      localparam int unsigned COLUMNS = ColumnClasses > 1 ? $clog2(ColumnClasses) : 0;
      localparam int unsigned ROWS    = RowClasses > 1 ? $clog2(RowClasses) : 0;
      logic [ROWS+COLUMNS+FOLDS-1:0] row, column;
      assign row    = gen_table.gen_fold.gen_classes.rows[y_at];
      assign column = gen_table.gen_fold.gen_classes.columns[x_at];
      assign entry  = gen_table.gen_fold.rom[(row << (COLUMNS + FOLDS)) | (column << FOLDS)
          | (ROWS + COLUMNS + FOLDS)'(fold_at)];
      always_ff @(posedge clk_i) begin
        if (rst_ni) pixels_as_counted:
          assert (COUNT'(gen_table.gen_fold.gen_classes.x_q) == x_at
                  && COUNT'(gen_table.gen_fold.gen_classes.y_q) == y_at);
      end
    end
    if (Folds > 1) begin : gen_counts_folds
      always_ff @(posedge clk_i) begin
        if (rst_ni) folds_as_counted:
          assert (COUNT'(gen_table.gen_fold.gen_folds.fold_q) == fold_at);
      end
    end
  end else begin : gen_no_table
    assign entry = '0;
  end
