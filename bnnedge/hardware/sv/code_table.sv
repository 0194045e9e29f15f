// Integers of few bits to codes, the same for all channels: code = table[x].
//
// Input       Pe elements of InBits; x is taken as unsigned, word x of the table is its code.
// Throughput  one beat per cycle. Latency: 1 cycle.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        What multi_threshold does where thresholds are shared, as one table for each lane: a
//             LUT4 or a few for every bit of a code, where a search has a comparator.
// Cost        5 bits clamped to 4, Pe = 4, ECP5: 14 LUT4, 17 FF (multi_threshold: 66 LUT4).
module code_table #(
  parameter int unsigned Pe        = 1,
  parameter int unsigned InBits    = 5,
  parameter int unsigned OutBits   = 4,
  parameter              TableFile = ""
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Pe*InBits-1:0]  in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [Pe*OutBits-1:0] out_data_o
);
  logic en, out_valid_q;

  assign en          = ~out_valid_q | out_ready_i;
  assign in_ready_o  = en;
  assign out_valid_o = out_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else if (en) out_valid_q <= in_valid_i;
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    (* rom_style = "logic" *) logic [OutBits-1:0] rom[1 << InBits];
    logic [OutBits-1:0] code_q;
    initial $readmemh(TableFile, rom);
    always_ff @(posedge clk_i) if (en) code_q <= rom[in_data_i[p*InBits+:InBits]];
    assign out_data_o[p*OutBits+:OutBits] = code_q;
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Pe * InBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Pe * OutBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
