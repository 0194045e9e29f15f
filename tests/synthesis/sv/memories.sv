// Block RAMs of every width that Yosys maps to DP16KD, read at addresses from a counter; `hash_o`
// mixes everything that is read, so two versions of this module that read alike show equal hashes.
// Registered: another register behind each, enabled in other clocks than the reading.
//
module memories #(
  parameter bit Registered = 1'b0
) (
  input  logic        clk_i,
  output logic [35:0] hash_o
);
  logic [15:0] step_q = '0;
  logic [35:0] hash_q = '0;
  logic [35:0] read[7];
  logic [13:0] address;
  assign address = step_q[13:0] ^ (step_q[13:0] << 5) ^ {12'd0, step_q[15:14]};

  for (genvar i = 0; i < 6; i++) begin : gen_rom
    localparam int unsigned WIDTH = i == 0 ? 36 : i == 1 ? 18 : i == 2 ? 9 : 8 >> (i - 2);
    localparam int unsigned BITS  = 9 + i;
    (* rom_style = "block" *) logic [WIDTH-1:0] rom[2 ** BITS];
    logic [WIDTH-1:0] word_q = '0;
    if (i == 0) begin : gen_36
      initial $readmemh("rom36.mem", rom);
    end else if (i == 1) begin : gen_18
      initial $readmemh("rom18.mem", rom);
    end else if (i == 2) begin : gen_9
      initial $readmemh("rom9.mem", rom);
    end else if (i == 3) begin : gen_4
      initial $readmemh("rom4.mem", rom);
    end else if (i == 4) begin : gen_2
      initial $readmemh("rom2.mem", rom);
    end else begin : gen_1
      initial $readmemh("rom1.mem", rom);
    end
    if (Registered) begin : gen_register
      logic [WIDTH-1:0] register_q = '0;
      always_ff @(posedge clk_i) if (step_q[1]) word_q <= rom[address[BITS-1:0]];
      always_ff @(posedge clk_i) if (step_q[0] ^ step_q[4]) register_q <= word_q;
      assign read[i] = 36'(register_q) << (i * 3);
    end else begin : gen_word
      always_ff @(posedge clk_i) word_q <= rom[address[BITS-1:0]];
      assign read[i] = 36'(word_q) << (i * 3);
    end
  end

  (* ram_style = "block" *) logic [17:0] ram[256];
  logic [17:0] word_q = '0;
  initial $readmemh("ram.mem", ram);
  always_ff @(posedge clk_i) begin
    if (step_q[0]) ram[address[8:1]] <= hash_q[17:0];
  end
  always_ff @(posedge clk_i) begin
    if (step_q[2]) word_q <= ram[~address[8:1]];
  end
  if (Registered) begin : gen_register
    logic [17:0] register_q = '0;
    always_ff @(posedge clk_i) if (step_q[3]) register_q <= word_q;
    assign read[6] = 36'(register_q) << 18;
  end else begin : gen_word
    assign read[6] = 36'(word_q) << 18;
  end

  always_ff @(posedge clk_i) begin
    step_q <= step_q + 1'b1;
    hash_q <= {hash_q[34:0], hash_q[35]}
            ^ read[0] ^ read[1] ^ read[2] ^ read[3] ^ read[4] ^ read[5] ^ read[6];
  end
  assign hash_o = hash_q;
endmodule
