// Back of a unit that makes integers: the output register, with thresholds or corrections before it.
//
// Function    Pe totals at a time, of rows 0 ... Folds·Pe − 1 for one pixel after the other.
//             Thresholded: bit r is (total[r] >= T[r]) ^ invert[r]. Corrected: element r is
//             total[r] + C[r], modulo 2**TotalBits. Neither: the totals themselves.
// Classes     T and C depend on the pixel's border class, if there is more than one: on the class of
//             its row and that of its column in an output of Height x Width pixels. Classes are
//             products like that because padding is, and two memories of one word per row and
//             column are far smaller than one word per pixel.
// Memories    Table: word fold of class {row class, column class}, at an address of these three,
//             each in as many bits as it needs. Per PE, from bit pe·(TotalBits + Thresholded), T or C
//             in the low bits, then invert. Rows, columns: their classes.
// Input       en_o high: total_i is taken with done_i. Early = 1 promises that done_i is never high in
//             two enabled cycles in a row; next_i announces it one cycle ahead.
// Back-press. en_o stops the whole unit. It comes from a register with Early, else it follows
//             out_ready_i within the cycle.
// Latency     1 + Thresholded or Corrected cycles, and one more without Early if the table is large.
// Form        A table of AheadBits or more is thought to be in block RAM, whose output is registered
//             before it is compared. With Early there is time for that: an entry's place is known
//             since the result before the last one. Without, the totals wait for it.
module result_stage #(
  parameter int unsigned Pe            = 1,
  parameter int unsigned TotalBits     = 8,
  parameter bit          Signed        = 1'b0,
  parameter bit          Thresholded   = 1'b0,
  parameter bit          Corrected     = 1'b0,
  parameter bit          Early         = 1'b0,
  parameter int unsigned AheadBits     = 2048,
  parameter int unsigned Folds         = 1,
  parameter int unsigned Height        = 1,
  parameter int unsigned Width         = 1,
  parameter int unsigned RowClasses    = 1,
  parameter int unsigned ColumnClasses = 1,
  parameter              TableFile     = "",
  parameter              RowFile       = "",
  parameter              ColumnFile    = ""
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  output logic                    en_o,
  input  logic                    next_i,
  input  logic                    done_i,
  input  logic [Pe*TotalBits-1:0] total_i,
  output logic                    out_valid_o,
  input  logic                    out_ready_i,
  output logic [Pe*(Thresholded ? 1 : TotalBits)-1:0] out_data_o
);
  localparam bit TABLE = Thresholded | Corrected;

  logic [Pe*TotalBits-1:0] total_q;
  always_ff @(posedge clk_i) if (en_o && done_i) total_q <= total_i;

  // `final_valid` is the result about to enter the output register, `final_next` the one behind.
  logic out_valid_d, out_valid_q, final_valid, final_next;

  assign out_valid_d = (en_o & final_valid) | (out_valid_q & ~out_ready_i);
  assign out_valid_o = out_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else out_valid_q <= out_valid_d;
  end

  if (Early) begin : gen_enable_early
    // Results are at least two cycles apart, so it costs no throughput to decide one cycle early,
    // as if out_ready_i stayed low.
    logic en_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) en_q <= 1'b1;
      else en_q <= ~((en_q ? final_next : final_valid) & out_valid_d);
    end
    assign en_o = en_q;
  end else begin : gen_enable
    logic unused;
    assign unused = final_next;
    assign en_o = ~(final_valid & out_valid_q & ~out_ready_i);
  end

  if (TABLE) begin : gen_table
    localparam int unsigned FOLD_BITS = Folds > 1 ? $clog2(Folds) : 0;
    localparam int unsigned COL_BITS  = ColumnClasses > 1 ? $clog2(ColumnClasses) : 0;
    localparam int unsigned ROW_BITS  = RowClasses > 1 ? $clog2(RowClasses) : 0;
    localparam int unsigned WORDS     = RowClasses * ColumnClasses == 1
        ? Folds : 1 << (ROW_BITS + COL_BITS + FOLD_BITS);
    localparam int unsigned ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam int unsigned ELEMENT   = TotalBits + (Thresholded ? 1 : 0);
    localparam int unsigned OUT_BITS  = Thresholded ? 1 : TotalBits;
    localparam bit          LARGE     = WORDS > 1 && WORDS * Pe * ELEMENT >= AheadBits;
    logic [Pe*ELEMENT-1:0]   entries;
    logic [Pe*TotalBits-1:0] compared;
    logic [Pe*OUT_BITS-1:0]  out_q;
    logic                    total_valid_q, compared_valid;

    if (WORDS == 1) begin : gen_constant
      (* rom_style = "logic" *) logic [Pe*ELEMENT-1:0] rom[1];
      initial $readmemh(TableFile, rom);
      assign entries = rom[0];
    end else begin : gen_fold
      logic [Pe*ELEMENT-1:0] rom[WORDS];
      logic [Pe*ELEMENT-1:0] entries_q;
      logic [ADDR_BITS-1:0]  fold, base;
      logic                  pixel_end;
      initial $readmemh(TableFile, rom);
      assign entries = entries_q;

      if (LARGE) begin : gen_ahead
        logic [Pe*ELEMENT-1:0] read_q;
        always_ff @(posedge clk_i) if (en_o) {entries_q, read_q} <= {read_q, rom[base | fold]};
      end else begin : gen_read
        always_ff @(posedge clk_i) if (en_o) entries_q <= rom[base | fold];
      end

      if (Folds == 1) begin : gen_one_fold
        assign fold = '0;
        assign pixel_end = en_o & done_i;
      end else begin : gen_folds
        logic [FOLD_BITS-1:0] fold_q;
        assign fold = ADDR_BITS'(fold_q);
        assign pixel_end = en_o & done_i & (fold_q == FOLD_BITS'(Folds - 1));
        always_ff @(posedge clk_i) begin
          if (!rst_ni) fold_q <= '0;
          else if (en_o && done_i) fold_q <= pixel_end ? '0 : fold_q + 1'b1;
        end
      end

      if (RowClasses * ColumnClasses == 1) begin : gen_one_class
        logic unused;
        assign unused = pixel_end;
        assign base = '0;
      end else begin : gen_classes
        localparam int unsigned Y_BITS = Height > 1 ? $clog2(Height) : 1;
        localparam int unsigned X_BITS = Width > 1 ? $clog2(Width) : 1;
        (* rom_style = "logic" *) logic [ADDR_BITS-1:0] rows[Height];
        (* rom_style = "logic" *) logic [ADDR_BITS-1:0] columns[Width];
        logic [Y_BITS-1:0] y_q;
        logic [X_BITS-1:0] x_q;
        logic              line_end;
        initial $readmemh(RowFile, rows);
        initial $readmemh(ColumnFile, columns);
        assign base = (rows[y_q] << (COL_BITS + FOLD_BITS)) | (columns[x_q] << FOLD_BITS);
        assign line_end = x_q == X_BITS'(Width - 1);
        always_ff @(posedge clk_i) begin
          if (!rst_ni) begin
            x_q <= '0;
            y_q <= '0;
          end else if (pixel_end) begin
            x_q <= line_end ? '0 : x_q + 1'b1;
            if (line_end) y_q <= y_q == Y_BITS'(Height - 1) ? '0 : y_q + 1'b1;
          end
        end
      end
    end

    logic unused_next;
    assign unused_next = next_i;
    assign final_valid = compared_valid;
    assign final_next  = done_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) total_valid_q <= 1'b0;
      else if (en_o) total_valid_q <= done_i;
    end

    if (LARGE && !Early) begin : gen_wait
      logic [Pe*TotalBits-1:0] waited_q;
      logic                    waited_valid_q;
      always_ff @(posedge clk_i) begin
        if (en_o) waited_q <= total_q;
        if (!rst_ni) waited_valid_q <= 1'b0;
        else if (en_o) waited_valid_q <= total_valid_q;
      end
      assign compared       = waited_q;
      assign compared_valid = waited_valid_q;
    end else begin : gen_no_wait
      assign compared       = total_q;
      assign compared_valid = total_valid_q;
    end

    for (genvar p = 0; p < Pe; p++) begin : gen_pe
      logic [TotalBits-1:0] total;
      assign total = compared[p*TotalBits+:TotalBits];
      if (Thresholded) begin : gen_bit
        logic [TotalBits-1:0] threshold;
        logic                 invert, reached;
        assign {invert, threshold} = entries[p*ELEMENT+:ELEMENT];
        if (Signed) begin : gen_signed
          assign reached = $signed(total) >= $signed(threshold);
        end else begin : gen_unsigned
          assign reached = total >= threshold;
        end
        always_ff @(posedge clk_i) if (en_o && compared_valid) out_q[p] <= reached ^ invert;
      end else begin : gen_sum
        always_ff @(posedge clk_i) begin
          if (en_o && compared_valid)
            out_q[p*TotalBits+:TotalBits] <= total + entries[p*ELEMENT+:ELEMENT];
        end
      end
    end
    assign out_data_o = out_q;
  end else begin : gen_totals
    assign final_valid = done_i;
    assign final_next  = next_i;
    assign out_data_o  = total_q;
  end
endmodule
