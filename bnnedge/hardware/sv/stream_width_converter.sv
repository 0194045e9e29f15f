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
//             register (narrowing) or registers with an enable each (widening).
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
  localparam int unsigned LAST_AT    = (IN_BEATS - 1) * IN_UNITS % OUT_UNITS;
  // Bits of the last input beat that leave, those behind the frame's end among them.
  localparam int unsigned KEPT_BITS  = (LAST_UNITS < IN_UNITS ? LAST_UNITS : IN_UNITS) * UNIT;
  localparam int unsigned CAPACITY   = most();
  localparam int unsigned FILL_BITS  = $clog2(CAPACITY + 1);

  // The most that the buffer holds: what is left when an input beat is taken, and that beat.
  function automatic int unsigned most();
    int unsigned beat;
    most = LAST_AT + LAST_UNITS;
    beat = 0;
    while (beat + 1 < IN_BEATS && beat < OUT_UNITS) begin
      if (beat * IN_UNITS % OUT_UNITS + IN_UNITS > most)
        most = beat * IN_UNITS % OUT_UNITS + IN_UNITS;
      beat = beat + 1;
    end
  endfunction

  // Bit IN_UNITS + p says whether at_q can be p when an input beat is taken: beats of a frame are a
  // fixed distance apart. Short frames and wide beats reach few positions, and need few sources.
  localparam logic [IN_UNITS+CAPACITY-1:0] REACHED = positions();
  localparam bit ONE_POSITION = (REACHED & (REACHED - 1)) == 0;

  function automatic logic [IN_UNITS+CAPACITY-1:0] positions();
    int unsigned beat;
    positions = '0;
    beat = 0;
    while (beat < IN_BEATS && beat < OUT_UNITS) begin
      positions[IN_UNITS+(beat*IN_UNITS)%OUT_UNITS] = 1'b1;
      beat = beat + 1;
    end
  endfunction

  logic last, take;
  loop_counter #(.Bound(IN_BEATS)) i_beats (.clk_i, .rst_ni, .step_i(take), .last_o(last));

  logic [InBits-1:0] in_data;
  for (genvar i = 0; i < InBits; i++) begin : gen_bit
    if (i >= LAST_BITS && i < KEPT_BITS) begin : gen_behind
      assign in_data[i] = in_data_i[i] & ~last;
    end else begin : gen_within
      assign in_data[i] = in_data_i[i];
    end
  end

  if (CAPACITY < IN_UNITS) begin : gen_beyond
    logic unused;
    assign unused = |in_data[InBits-1:CAPACITY*UNIT];
  end

  // The buffer holds at_q units, and an output beat below them where out_valid_q. two_q says that
  // at_q holds a second output beat: the input waits for it to move down.
  logic [CAPACITY*UNIT-1:0] buffer_q;
  logic [FILL_BITS-1:0]     at_q, filled;
  logic                     out_valid_q, two_q, pop;

  assign out_valid_o = out_valid_q;
  assign pop         = out_valid_q & out_ready_i;
  assign in_ready_o  = ~out_valid_q | (out_ready_i & ~two_q);
  assign take        = in_ready_o & in_valid_i;
  assign filled      = at_q + (last ? FILL_BITS'(LAST_UNITS) : FILL_BITS'(IN_UNITS));
  assign out_data_o  = buffer_q[OutBits-1:0];

  for (genvar u = 0; u < CAPACITY; u++) begin : gen_unit
    // Written here are a unit from OUT_UNITS above, zeros behind a frame's end, and input unit k
    // where FROM[IN_UNITS-1-k].
    localparam bit MOVES = u + OUT_UNITS < CAPACITY;
    localparam bit ENDS  = u >= LAST_AT + IN_UNITS && u < LAST_AT + LAST_UNITS;
    localparam logic [IN_UNITS-1:0] FROM = REACHED[u+1+:IN_UNITS];
    localparam bit ALONE = (FROM & (FROM - 1)) == 0 && !MOVES && !ENDS;
    logic [IN_UNITS-1:0]          comes;
    logic [(IN_UNITS+1)*UNIT-1:0] source;
    logic                         ends;
    assign ends = ENDS & take & last;
    if (MOVES) begin : gen_moves
      assign source[0+:UNIT] = buffer_q[(u+OUT_UNITS)*UNIT+:UNIT] & {UNIT{~(|comes | ends)}};
    end else begin : gen_stays
      assign source[0+:UNIT] = '0;
    end
    for (genvar k = 0; k < IN_UNITS; k++) begin : gen_source
      if (!FROM[IN_UNITS-1-k]) begin : gen_never
        assign comes[k] = 1'b0;
      end else if (ONE_POSITION) begin : gen_always
        assign comes[k] = take;
      end else begin : gen_here
        assign comes[k] = take && at_q == FILL_BITS'(u - k);
      end
      assign source[(k+1)*UNIT+:UNIT] = source[k*UNIT+:UNIT]
          | (in_data[k*UNIT+:UNIT] & {UNIT{comes[k] | (ALONE & FROM[IN_UNITS-1-k])}});
    end
    always_ff @(posedge clk_i) begin
      if (|comes || ends || (MOVES && pop)) buffer_q[u*UNIT+:UNIT] <= source[IN_UNITS*UNIT+:UNIT];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      at_q        <= '0;
      out_valid_q <= 1'b0;
      two_q       <= 1'b0;
    end else if (take) begin
      at_q        <= filled < FILL_BITS'(OUT_UNITS) ? filled : filled - FILL_BITS'(OUT_UNITS);
      out_valid_q <= filled >= FILL_BITS'(OUT_UNITS);
      two_q       <= 32'(filled) >= 2 * OUT_UNITS;
    end else if (pop) begin
      if (two_q) at_q <= at_q - FILL_BITS'(OUT_UNITS);
      out_valid_q <= two_q;
      two_q       <= 32'(at_q) >= 2 * OUT_UNITS;
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
