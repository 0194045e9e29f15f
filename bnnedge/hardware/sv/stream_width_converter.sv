// Changes the width of a stream whose frames have FrameBits bits, any InBits to any OutBits.
//
// Function    A frame is ceil(FrameBits/InBits) input beats and ceil(FrameBits/OutBits) output
//             beats, lowest bits first. Surplus bits of the last input beat are dropped, missing
//             bits of the last output beat are zero; the next frame starts in a new beat.
// Throughput  one frame in max(input beats, output beats) cycles, also between frames; one cycle
//             more where the last input beat completes two output beats.
// Latency     1 cycle from the input beat that completes an output beat.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        One buffer in units of gcd(InBits, OutBits), emptied by OutBits at its low end and
//             filled behind its last unit. Input is taken only when less than one output beat
//             remains, so every unit has few sources: integer ratios become a plain shift
//             register (narrowing) or an indexed write (widening).
module stream_width_converter #(
  parameter int unsigned InBits    = 8,
  parameter int unsigned OutBits   = 8,
  parameter int unsigned FrameBits = 8
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               in_valid_i,
  output logic               in_ready_o,
  input  logic [InBits-1:0]  in_data_i,
  output logic               out_valid_o,
  input  logic               out_ready_i,
  output logic [OutBits-1:0] out_data_o
);
  function automatic int unsigned gcd(input int unsigned a, input int unsigned b);
    int unsigned x, y, r;
    x = a;
    y = b;
    while (y != 0) begin
      r = x % y;
      x = y;
      y = r;
    end
    gcd = x;  // Yosys' own reader knows no `return`
  endfunction

  localparam int unsigned UNIT      = gcd(InBits, OutBits);
  localparam int unsigned IN_UNITS  = InBits / UNIT;
  localparam int unsigned OUT_UNITS = OutBits / UNIT;
  localparam int unsigned IN_BEATS  = (FrameBits + InBits - 1) / InBits;
  localparam int unsigned OUT_BEATS = (FrameBits + OutBits - 1) / OutBits;
  // What the last input beat adds: it completes the last output beat.
  localparam int unsigned LAST_UNITS = OUT_BEATS * OUT_UNITS - (IN_BEATS - 1) * IN_UNITS;
  localparam int unsigned LAST_BITS  = FrameBits - (IN_BEATS - 1) * InBits;
  localparam int unsigned CAPACITY   = most();
  localparam int unsigned FILL_BITS  = $clog2(CAPACITY + 1);

  // The most that the buffer holds: what is left when an input beat is taken, and that beat.
  function automatic int unsigned most();
    int unsigned beat;
    most = (IN_BEATS - 1) * IN_UNITS % OUT_UNITS + LAST_UNITS;
    beat = 0;
    while (beat + 1 < IN_BEATS && beat < OUT_UNITS) begin
      if (beat * IN_UNITS % OUT_UNITS + IN_UNITS > most)
        most = beat * IN_UNITS % OUT_UNITS + IN_UNITS;
      beat = beat + 1;
    end
  endfunction

  // Whether `left` can be `position` when an input beat is taken: beats of a frame are a fixed
  // distance apart. Short frames and wide beats reach few positions, and need few sources.
  function automatic bit reached(input int unsigned position);
    int unsigned beat;
    logic        found;
    found = 1'b0;
    beat = 0;
    while (beat < IN_BEATS && beat < OUT_UNITS) begin
      if ((beat * IN_UNITS) % OUT_UNITS == position) found = 1'b1;
      beat = beat + 1;
    end
    reached = found;
  endfunction

  logic last;
  if (IN_BEATS == 1) begin : gen_one_beat
    assign last = 1'b1;
  end else begin : gen_beats
    localparam int unsigned BEAT_BITS = $clog2(IN_BEATS);
    logic [BEAT_BITS-1:0] beat_q;
    assign last = beat_q == BEAT_BITS'(IN_BEATS - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) beat_q <= '0;
      else if (in_valid_i && in_ready_o) beat_q <= last ? '0 : beat_q + 1'b1;
    end
  end

  logic [InBits-1:0] in_data;
  if (LAST_BITS == InBits) begin : gen_whole
    assign in_data = in_data_i;
  end else begin : gen_partial
    assign in_data = {in_data_i[InBits-1:LAST_BITS] & {(InBits - LAST_BITS){~last}},
                      in_data_i[LAST_BITS-1:0]};
  end

  if (CAPACITY < IN_UNITS) begin : gen_beyond
    logic unused;
    assign unused = |in_data[InBits-1:CAPACITY*UNIT];
  end

  // Units at and above fill_q are zero.
  logic [CAPACITY*UNIT-1:0] buffer_d, buffer_q, kept;
  logic [FILL_BITS-1:0]     fill_q, left;
  logic                     pop, take;

  assign out_valid_o = fill_q >= FILL_BITS'(OUT_UNITS);
  assign pop         = out_valid_o & out_ready_i;
  assign left        = pop ? fill_q - FILL_BITS'(OUT_UNITS) : fill_q;
  assign kept        = pop ? buffer_q >> OutBits : buffer_q;
  assign in_ready_o  = left < FILL_BITS'(OUT_UNITS);
  assign take        = in_ready_o & in_valid_i;
  assign out_data_o  = buffer_q[OutBits-1:0];

  for (genvar u = 0; u < CAPACITY; u++) begin : gen_unit
    // Input unit k lands here when `left` is u - k.
    logic [(IN_UNITS+1)*UNIT-1:0] source;
    assign source[0+:UNIT] = kept[u*UNIT+:UNIT];
    for (genvar k = 0; k < IN_UNITS; k++) begin : gen_source
      if (reached(u - k)) begin : gen_here
        assign source[(k+1)*UNIT+:UNIT] = source[k*UNIT+:UNIT]
            | (in_data[k*UNIT+:UNIT] & {UNIT{take && left == FILL_BITS'(u - k)}});
      end else begin : gen_not_here
        assign source[(k+1)*UNIT+:UNIT] = source[k*UNIT+:UNIT];
      end
    end
    assign buffer_d[u*UNIT+:UNIT] = source[IN_UNITS*UNIT+:UNIT];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fill_q   <= '0;
      buffer_q <= '0;
    end else begin
      buffer_q <= buffer_d;
      if (!take) fill_q <= left;
      else fill_q <= left + (last ? FILL_BITS'(LAST_UNITS) : FILL_BITS'(IN_UNITS));
    end
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(InBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(OutBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
