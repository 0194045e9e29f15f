// First-word-fall-through FIFO of any depth >= 2; in_ready_o comes from a register.
//
// Latency     1 cycle, 3 if Late; initiation interval 1.
// Form        Registers for the depth of 2, which only cuts the ready path between two kernels.
//             Others are read asynchronously, for distributed RAM. The deepest ones are Late: two
//             of their words are in registers behind the memory, the RAM's own if it is a block,
//             and a word is not read in the cycle in which it is written. The next places are in
//             registers too: what is full or empty does not wait for an increment.
module stream_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter bit          Late  = Depth > 32
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  localparam int unsigned WORDS    = Late ? Depth - 2 : Depth;
  localparam int unsigned PTR_BITS = $clog2(WORDS);

  if (Depth < 2 || (Late && Depth == 3)) begin : gen_bad_depth
    $error("stream_fifo: Depth must be at least 2, and not 3 if Late");
  end

  logic push, pop, full_q;

  assign push       = in_valid_i & ~full_q;
  assign pop        = out_ready_i & out_valid_o;
  assign in_ready_o = ~full_q;

  if (Depth == 2) begin : gen_registers
    logic             empty_q;
    logic [Width-1:0] head_q, tail_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        empty_q <= 1'b1;
        full_q  <= 1'b0;
      end else begin
        empty_q <= ~push & (empty_q | (pop & ~full_q));
        full_q  <= ~pop & (full_q | (push & ~empty_q));
      end
      if (push) tail_q <= in_data_i;
      if (pop || empty_q) head_q <= full_q ? tail_q : in_data_i;
    end
    assign out_valid_o = ~empty_q;
    assign out_data_o  = head_q;
  end else begin : gen_memory
    logic [PTR_BITS-1:0] write_q, read_q, next_write_q, next_read_q;
    logic                take, empty_q;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        write_q      <= '0;
        read_q       <= '0;
        next_write_q <= PTR_BITS'(1);
        next_read_q  <= PTR_BITS'(1);
        empty_q      <= 1'b1;
        full_q       <= 1'b0;
      end else begin
        if (push) begin
          write_q      <= next_write_q;
          next_write_q <= next_write_q == PTR_BITS'(WORDS - 1) ? '0 : next_write_q + 1'b1;
        end
        if (take) begin
          read_q      <= next_read_q;
          next_read_q <= next_read_q == PTR_BITS'(WORDS - 1) ? '0 : next_read_q + 1'b1;
        end
        if (push != take) begin
          full_q  <= push & (next_write_q == read_q);
          empty_q <= take & (next_read_q == write_q);
        end
      end
    end

    if (Late) begin : gen_late
      (* no_rw_check *) logic [Width-1:0] memory[WORDS];  // what is written is not read
      logic [Width-1:0] word_q, head_q;
      logic             word_valid_q, head_valid_q, moves, unused;
      assign unused = pop;
      assign moves = out_ready_i | ~head_valid_q;
      assign take  = ~empty_q & (moves | ~word_valid_q);
      always_ff @(posedge clk_i) begin
        if (!rst_ni) begin
          word_valid_q <= 1'b0;
          head_valid_q <= 1'b0;
        end else begin
          word_valid_q <= take | (word_valid_q & ~moves);
          if (moves) head_valid_q <= word_valid_q;
        end
        if (push) memory[write_q] <= in_data_i;
        if (take) word_q <= memory[read_q];
        if (moves) head_q <= word_q;
      end
      assign out_valid_o = head_valid_q;
      assign out_data_o  = head_q;
    end else begin : gen_at_once
      logic [Width-1:0] memory[WORDS];
      always_ff @(posedge clk_i) if (push) memory[write_q] <= in_data_i;
      assign take        = pop;
      assign out_valid_o = ~empty_q;
      assign out_data_o  = memory[read_q];
    end
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Width), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Width)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
