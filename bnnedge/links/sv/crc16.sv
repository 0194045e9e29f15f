// One byte's step of CRC-16/IBM-3740: polynomial 0x1021, most significant bit first, start value
// 0xFFFF, no final inversion (Python: `binascii.crc_hqx(data, 0xFFFF)`).
//
// Latency     none, combinational.
// Property    the CRC over data followed by its own CRC, high byte first, is zero.
//
module crc16 (
  input  logic [15:0] crc_i,
  input  logic [7:0]  data_i,
  output logic [15:0] crc_o
);
  always_comb begin
    crc_o = crc_i ^ {data_i, 8'h00};
    for (int i = 0; i < 8; i++) begin
      crc_o = crc_o[15] ? ({crc_o[14:0], 1'b0} ^ 16'h1021) : {crc_o[14:0], 1'b0};
    end
  end
endmodule
