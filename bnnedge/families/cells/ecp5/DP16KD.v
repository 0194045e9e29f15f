// Simulation model of the ECP5's 18 kbit block RAM as Yosys uses it (techlibs/lattice,
// brams_map_16kd.v), and with the output registers that `ecp5_registers.py` puts to use: chip
// selects at zero, NORMAL write mode (the output keeps its value while its port writes) or
// WRITETHROUGH or READBEFOREWRITE. Lattice documents the cell in FPGA-TN-02204 (ECP5 memory usage
// guide); Yosys and Project Trellis ship none.
//
// Storage     1024 words of 18 bits. INITVAL_nn holds words 16*nn .. 16*nn+15, 20 bits apart.
// Widths      36: word pairs (read: A low, B high half; write: DIA low, DIB high), 18: a word,
//             9: half a word, 4/2/1: within the sixteen bits of a word that are not parity.
// Byte        ADx1:0 (18 bits) or ADx3:0 (36 bits) enable the nine-bit halves of a write.
// Registers   REGMODE_x = OUTREG: a register behind port x's output, enabled by OCEx whatever CEx is,
//             reset by RSTx where it is enabled. A port of 36 bits has both, with CLKB and OCEB.
//
module DP16KD (
  input  DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
  input  DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
  input  ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input  CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
  output DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
  input  DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
  input  DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
  input  ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input  CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
  output DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter GSR = "ENABLED";
  parameter [319:0] INITVAL_00 = 320'd0;
  parameter [319:0] INITVAL_01 = 320'd0;
  parameter [319:0] INITVAL_02 = 320'd0;
  parameter [319:0] INITVAL_03 = 320'd0;
  parameter [319:0] INITVAL_04 = 320'd0;
  parameter [319:0] INITVAL_05 = 320'd0;
  parameter [319:0] INITVAL_06 = 320'd0;
  parameter [319:0] INITVAL_07 = 320'd0;
  parameter [319:0] INITVAL_08 = 320'd0;
  parameter [319:0] INITVAL_09 = 320'd0;
  parameter [319:0] INITVAL_0A = 320'd0;
  parameter [319:0] INITVAL_0B = 320'd0;
  parameter [319:0] INITVAL_0C = 320'd0;
  parameter [319:0] INITVAL_0D = 320'd0;
  parameter [319:0] INITVAL_0E = 320'd0;
  parameter [319:0] INITVAL_0F = 320'd0;
  parameter [319:0] INITVAL_10 = 320'd0;
  parameter [319:0] INITVAL_11 = 320'd0;
  parameter [319:0] INITVAL_12 = 320'd0;
  parameter [319:0] INITVAL_13 = 320'd0;
  parameter [319:0] INITVAL_14 = 320'd0;
  parameter [319:0] INITVAL_15 = 320'd0;
  parameter [319:0] INITVAL_16 = 320'd0;
  parameter [319:0] INITVAL_17 = 320'd0;
  parameter [319:0] INITVAL_18 = 320'd0;
  parameter [319:0] INITVAL_19 = 320'd0;
  parameter [319:0] INITVAL_1A = 320'd0;
  parameter [319:0] INITVAL_1B = 320'd0;
  parameter [319:0] INITVAL_1C = 320'd0;
  parameter [319:0] INITVAL_1D = 320'd0;
  parameter [319:0] INITVAL_1E = 320'd0;
  parameter [319:0] INITVAL_1F = 320'd0;
  parameter [319:0] INITVAL_20 = 320'd0;
  parameter [319:0] INITVAL_21 = 320'd0;
  parameter [319:0] INITVAL_22 = 320'd0;
  parameter [319:0] INITVAL_23 = 320'd0;
  parameter [319:0] INITVAL_24 = 320'd0;
  parameter [319:0] INITVAL_25 = 320'd0;
  parameter [319:0] INITVAL_26 = 320'd0;
  parameter [319:0] INITVAL_27 = 320'd0;
  parameter [319:0] INITVAL_28 = 320'd0;
  parameter [319:0] INITVAL_29 = 320'd0;
  parameter [319:0] INITVAL_2A = 320'd0;
  parameter [319:0] INITVAL_2B = 320'd0;
  parameter [319:0] INITVAL_2C = 320'd0;
  parameter [319:0] INITVAL_2D = 320'd0;
  parameter [319:0] INITVAL_2E = 320'd0;
  parameter [319:0] INITVAL_2F = 320'd0;
  parameter [319:0] INITVAL_30 = 320'd0;
  parameter [319:0] INITVAL_31 = 320'd0;
  parameter [319:0] INITVAL_32 = 320'd0;
  parameter [319:0] INITVAL_33 = 320'd0;
  parameter [319:0] INITVAL_34 = 320'd0;
  parameter [319:0] INITVAL_35 = 320'd0;
  parameter [319:0] INITVAL_36 = 320'd0;
  parameter [319:0] INITVAL_37 = 320'd0;
  parameter [319:0] INITVAL_38 = 320'd0;
  parameter [319:0] INITVAL_39 = 320'd0;
  parameter [319:0] INITVAL_3A = 320'd0;
  parameter [319:0] INITVAL_3B = 320'd0;
  parameter [319:0] INITVAL_3C = 320'd0;
  parameter [319:0] INITVAL_3D = 320'd0;
  parameter [319:0] INITVAL_3E = 320'd0;
  parameter [319:0] INITVAL_3F = 320'd0;

  initial begin
    if ((REGMODE_A != "NOREG" && REGMODE_A != "OUTREG")
        || (REGMODE_B != "NOREG" && REGMODE_B != "OUTREG")
        || (DATA_WIDTH_B == 36 && REGMODE_A != REGMODE_B)
        || CLKAMUX != "CLKA" || CLKBMUX != "CLKB") begin
      $display("DP16KD: a mode that this model does not have");
      $stop;
    end
  end
  // Yosys writes ASYNC for a reset that is not used.
  always @(posedge RSTA or posedge RSTB) if (RESETMODE != "SYNC") begin
    $display("DP16KD: an asynchronous reset, which this model does not have");
    $stop;
  end

  reg [17:0] words [0:1023];
  wire [20479:0] init = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C,
    INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34,
    INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C,
    INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
    INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
    INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14,
    INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C,
    INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04,
    INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };
  integer i;
  initial for (i = 0; i < 1024; i = i + 1) words[i] = init[20*i +: 18];

  wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7,
                     ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7,
                     ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
                     DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
                     DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  wire selected = ~(CSA0 | CSA1 | CSA2 | CSB0 | CSB1 | CSB2);

  // Position of narrow bit `n` (0 to 15) in its word: each half's ninth bit is parity.
  function [4:0] bit_position(input [3:0] n);
    bit_position = n[3] ? 5'd9 + {2'b00, n[2:0]} : {2'b00, n[2:0]};
  endfunction

  // What a port of `width` reads from `word` at `address`, in its low bits.
  function [17:0] narrow(input [31:0] width, input [17:0] word, input [13:0] address);
    case (width)
      1:       narrow = {17'd0, word[bit_position(address[3:0])]};
      2:       narrow = {16'd0, word[bit_position({address[3:1], 1'b0}) +: 2]};
      4:       narrow = {14'd0, word[bit_position({address[3:2], 2'b00}) +: 4]};
      9:       narrow = {9'd0, address[3] ? word[17:9] : word[8:0]};
      default: narrow = word;
    endcase
  endfunction

  // `word` after a port of `width` has written `data`.
  function [17:0] written(
    input [31:0] width, input [17:0] word, input [13:0] address, input [17:0] data
  );
    begin
      written = word;
      case (width)
        1:       written[bit_position(address[3:0])] = data[0];
        2:       written[bit_position({address[3:1], 1'b0}) +: 2] = data[1:0];
        4:       written[bit_position({address[3:2], 2'b00}) +: 4] = data[3:0];
        9:       if (address[3]) written[17:9] = data[8:0]; else written[8:0] = data[8:0];
        default: begin
          if (address[0]) written[8:0] = data[8:0];
          if (address[1]) written[17:9] = data[17:9];
        end
      endcase
    end
  endfunction

  reg [17:0] doa, dob, doa_q, dob_q;
  initial {doa, dob, doa_q, dob_q} = 72'd0;
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
          DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} =
      REGMODE_A == "OUTREG" ? doa_q : doa;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
          DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} =
      REGMODE_B == "OUTREG" ? dob_q : dob;

  generate
    if (DATA_WIDTH_A == 36 || DATA_WIDTH_B == 36) begin : gen_simple
      // A pseudo dual-port: port A writes, port B reads, on either side of the pair if narrower.
      always @(posedge CLKA) begin
        if (CEA && WEA && selected) begin
          if (DATA_WIDTH_A == 36) begin
            words[{ada[13:5], 1'b0}] <= written(18, words[{ada[13:5], 1'b0}],
                                                {12'd0, ada[1:0]}, dia);
            words[{ada[13:5], 1'b1}] <= written(18, words[{ada[13:5], 1'b1}],
                                                {12'd0, ada[3:2]}, dib);
          end else begin
            words[ada[13:4]] <= written(DATA_WIDTH_A, words[ada[13:4]], ada, dia);
          end
        end
      end
      always @(posedge CLKB) if (OCEB) {dob_q, doa_q} <= RSTB ? 36'd0 : {dob, doa};
      always @(posedge CLKB) begin
        if (RSTB) begin
          {dob, doa} <= 36'd0;
        end else if (CEB && selected) begin
          if (DATA_WIDTH_B == 36) begin
            doa <= words[{adb[13:5], 1'b0}];
            dob <= words[{adb[13:5], 1'b1}];
          end else begin
            dob <= narrow(DATA_WIDTH_B, words[adb[13:4]], adb);
          end
        end
      end
    end else begin : gen_dual
      always @(posedge CLKA) if (OCEA) doa_q <= RSTA ? 18'd0 : doa;
      always @(posedge CLKB) if (OCEB) dob_q <= RSTB ? 18'd0 : dob;
      always @(posedge CLKA) begin
        if (CEA && WEA && selected)
          words[ada[13:4]] <= written(DATA_WIDTH_A, words[ada[13:4]], ada, dia);
        if (RSTA) doa <= 18'd0;
        else if (CEA && selected) begin
          if (!WEA || WRITEMODE_A == "READBEFOREWRITE")
            doa <= narrow(DATA_WIDTH_A, words[ada[13:4]], ada);
          else if (WRITEMODE_A == "WRITETHROUGH")
            doa <= narrow(DATA_WIDTH_A, written(DATA_WIDTH_A, words[ada[13:4]], ada, dia), ada);
        end
      end
      always @(posedge CLKB) begin
        if (CEB && WEB && selected)
          words[adb[13:4]] <= written(DATA_WIDTH_B, words[adb[13:4]], adb, dib);
        if (RSTB) dob <= 18'd0;
        else if (CEB && selected) begin
          if (!WEB || WRITEMODE_B == "READBEFOREWRITE")
            dob <= narrow(DATA_WIDTH_B, words[adb[13:4]], adb);
          else if (WRITEMODE_B == "WRITETHROUGH")
            dob <= narrow(DATA_WIDTH_B, written(DATA_WIDTH_B, words[adb[13:4]], adb, dib), adb);
        end
      end
    end
  endgenerate
endmodule
