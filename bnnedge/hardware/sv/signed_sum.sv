// Sum of integers, each as it is or complemented, added to a base:
// sum_o = base_i + Σ m[j]·(w_i[j] ? x[j] : −x[j] − 1), modulo 2**SumBits, where m[j] is 1, or what
// MagnitudeBits bits of w_i behind the Width signs say.
//
// Latency     ($clog2(Width) + 2) / 2 clock cycles in which en_i is high from x_i and w_i (the parent
//             computes the same, a module cannot export it), none from base_i; initiation interval 1.
// Form        A ±1 weight would be a negation, i.e. a complement and a carry-in. The carry-ins of a
//             row are a constant of its weights, which its threshold or correction takes in, so a
//             weight costs one XOR in front of the first adders and no multiplier. Binary tree, a
//             register after every second level. A magnitude of one bit is an AND behind the XOR;
//             of more bits, shifts and adders.
module signed_sum #(
  parameter int unsigned Width         = 4,
  parameter int unsigned ElementBits   = 8,
  parameter bit          Signed        = 1'b0,
  parameter int unsigned MagnitudeBits = 0,
  parameter int unsigned SumBits       = 12
) (
  input  logic                               clk_i,
  input  logic                               en_i,
  input  logic [Width*ElementBits-1:0]       x_i,
  input  logic [Width*(1+MagnitudeBits)-1:0] w_i,
  input  logic [SumBits-1:0]                 base_i,
  output logic [SumBits-1:0]                 sum_o
);
  localparam int unsigned TERM_BITS = ElementBits + (Signed ? 0 : 1);  // a complement is negative
  localparam int unsigned LEAF_BITS = TERM_BITS + (MagnitudeBits > 1 ? MagnitudeBits : 0);
  localparam int unsigned LEVELS    = $clog2(Width);

  for (genvar l = 0; l <= LEVELS; l++) begin : gen_level
    localparam int unsigned NODES = (Width + (1 << l) - 1) >> l;
    localparam int unsigned BITS  = LEAF_BITS + l;
    logic [NODES*BITS-1:0] sum_d, sum_q;

    for (genvar n = 0; n < NODES; n++) begin : gen_node
      if (l == 0) begin : gen_leaf
        logic [TERM_BITS-1:0] x, term;
        if (Signed) begin : gen_signed
          assign x = x_i[n*ElementBits+:ElementBits];
        end else begin : gen_unsigned
          assign x = {1'b0, x_i[n*ElementBits+:ElementBits]};
        end
        assign term = x ^ {TERM_BITS{~w_i[n]}};
        if (MagnitudeBits == 0) begin : gen_one
          assign sum_d[n*BITS+:BITS] = term;
        end else begin : gen_magnitude
          logic [MagnitudeBits-1:0] magnitude;
          logic [LEAF_BITS-1:0]     product;
          assign magnitude = w_i[Width+n*MagnitudeBits+:MagnitudeBits];
          always_comb begin
            product = '0;
            for (int unsigned k = 0; k < MagnitudeBits; k++) begin
              if (magnitude[k]) product = product + (LEAF_BITS'($signed(term)) << k);
            end
          end
          assign sum_d[n*BITS+:BITS] = product;
        end
      end else if (2*n + 1 < (Width + (1 << (l - 1)) - 1) >> (l - 1)) begin : gen_add
        assign sum_d[n*BITS+:BITS] =
            BITS'($signed(gen_level[l-1].sum_q[2*n*(BITS-1)+:BITS-1]))
            + BITS'($signed(gen_level[l-1].sum_q[(2*n+1)*(BITS-1)+:BITS-1]));
      end else begin : gen_pass
        assign sum_d[n*BITS+:BITS] =
            BITS'($signed(gen_level[l-1].sum_q[2*n*(BITS-1)+:BITS-1]));
      end
    end

    if (l == LEVELS || l % 2 == 1) begin : gen_register
      always_ff @(posedge clk_i) if (en_i) sum_q <= sum_d;
    end else begin : gen_wire
      assign sum_q = sum_d;
    end
  end

  assign sum_o = base_i + SumBits'($signed(gen_level[LEVELS].sum_q));
endmodule
