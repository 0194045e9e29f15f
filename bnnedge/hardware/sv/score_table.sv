// Accumulators to scores that order the classes: score = table[class][(x + Reach) / Step].
//
// Function    x is in −Reach, −Reach + Step ... Reach; Step is a power of two. Scores are two's
//             complement of ScoreBits.
// Input       Elements / Pe beats of Pe accumulators, lowest class in the low bits of the first beat.
// Memories    one per lane, <TableFile>_000.mem and so on: lane p has the tables of the classes p,
//             p + Pe, p + 2·Pe ..., one after the other.
// Throughput  one beat per cycle. Latency: 2 cycles.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        An adder makes the address, of x without its low bits and of where the class begins. What
//             is read is registered at once, so tables fit block RAM. No multiplier.
module score_table #(
  parameter int unsigned Elements    = 10,
  parameter int unsigned Pe          = 1,
  parameter int unsigned ElementBits = 8,
  parameter int unsigned Reach       = 64,
  parameter int unsigned Step        = 2,
  parameter int unsigned ScoreBits   = 10,
  parameter              TableFile   = ""
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic [Pe*ElementBits-1:0] in_data_i,
  output logic                      out_valid_o,
  input  logic                      out_ready_i,
  output logic [Pe*ScoreBits-1:0]   out_data_o
);
  localparam int unsigned SHIFT     = $clog2(Step);
  localparam int unsigned COLUMNS   = ((2 * Reach) >> SHIFT) + 1;
  localparam int unsigned DEPTH     = Elements / Pe * COLUMNS;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  // The address of x = 0, or of −1 where there is no 0, in the first class and in the last.
  localparam int unsigned FIRST     = (Reach + Step - 1) >> SHIFT;
  localparam int unsigned LAST      = FIRST + DEPTH - COLUMNS;

  if (Elements % Pe != 0 || Pe > 1000) begin : gen_bad_folding
    $error("score_table: Pe must divide Elements, and not exceed 1000");
  end
  if (1 << SHIFT != Step) begin : gen_bad_step
    $error("score_table: Step must be a power of two");
  end

  logic en, valid_q, out_valid_q;
  logic [ADDR_BITS-1:0] base;

  assign en          = ~out_valid_q | out_ready_i;
  assign in_ready_o  = en;
  assign out_valid_o = out_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q     <= 1'b0;
      out_valid_q <= 1'b0;
    end else if (en) begin
      valid_q     <= in_valid_i;
      out_valid_q <= valid_q;
    end
  end

  if (Elements == Pe) begin : gen_one_fold
    assign base = ADDR_BITS'(FIRST);
  end else begin : gen_folds
    logic [ADDR_BITS-1:0] base_q;
    assign base = base_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) base_q <= ADDR_BITS'(FIRST);
      else if (en && in_valid_i)
        base_q <= base_q == ADDR_BITS'(LAST) ? ADDR_BITS'(FIRST) : base_q + ADDR_BITS'(COLUMNS);
    end
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [ScoreBits-1:0] rom[DEPTH];
    logic [ADDR_BITS-1:0] addr_q;
    logic [ScoreBits-1:0] score_q;
    initial $readmemh({TableFile, "_", 8'("0" + p / 100), 8'("0" + p / 10 % 10),
                       8'("0" + p % 10), ".mem"}, rom);
    always_ff @(posedge clk_i) begin
      if (en) begin
        addr_q  <= base + ADDR_BITS'($signed(in_data_i[p*ElementBits+:ElementBits]) >>> SHIFT);
        score_q <= rom[addr_q];
      end
    end
    assign out_data_o[p*ScoreBits+:ScoreBits] = score_q;
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Pe * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Pe * ScoreBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
