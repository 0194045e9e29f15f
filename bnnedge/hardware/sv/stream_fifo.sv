// First-word-fall-through FIFO of any depth >= 2; in_ready_o comes from a register.
//
// Latency     1 cycle; initiation interval 1. Storage is read asynchronously, so synthesis takes
//             distributed RAM for deep ones and registers for the depth of 2 that only cuts the
//             ready path between two kernels.
// Head        The word in front is in a register, behind memory that takes long to read: that of
//             the deepest ones is block RAM.
module stream_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter bit          Head  = Depth > 32
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
  localparam int unsigned WORDS    = Head ? Depth - 1 : Depth;
  localparam int unsigned PTR_BITS = $clog2(WORDS);

  if (Depth < 2) begin : gen_bad_depth
    $error("stream_fifo: Depth must be at least 2");
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
    logic [Width-1:0]    memory[WORDS];
    logic [PTR_BITS-1:0] write_q, read_q, write_d, read_d;
    logic                put, take, empty_q;

    assign write_d = write_q == PTR_BITS'(WORDS - 1) ? '0 : write_q + 1'b1;
    assign read_d  = read_q == PTR_BITS'(WORDS - 1) ? '0 : read_q + 1'b1;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        write_q <= '0;
        read_q  <= '0;
        empty_q <= 1'b1;
        full_q  <= 1'b0;
      end else begin
        if (put) write_q <= write_d;
        if (take) read_q <= read_d;
        if (put != take) begin
          full_q  <= put & (write_d == read_q);
          empty_q <= take & (read_d == write_q);
        end
      end
      if (push) memory[write_q] <= in_data_i;
    end

    if (Head) begin : gen_head
      logic             valid_q;
      logic [Width-1:0] head_q;
      assign put  = push & valid_q & ~(pop & empty_q);
      assign take = pop & ~empty_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni) valid_q <= 1'b0;
        else valid_q <= push | (valid_q & ~(pop & empty_q));
        if (pop || !valid_q) head_q <= empty_q ? in_data_i : memory[read_q];
      end
      assign out_valid_o = valid_q;
      assign out_data_o  = head_q;
    end else begin : gen_no_head
      assign put         = push;
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
