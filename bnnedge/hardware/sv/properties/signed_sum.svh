  // The sum is that of all elements, each as it is or complemented, times its magnitude, as of the clock
  // cycle in which they came: so it is in every stage, by the nodes of its level.
  logic [(LEVELS+1)*SumBits-1:0] all;    // of a level
  logic [LEVELS+1:0]             came_q;  // registers hold anything until words have come
  logic [LEVELS:0]               adds_up;
  logic [8*SumBits-1:0]          counts_at;
  logic [7:0]                    came_at;
  logic [SumBits-1:0]            all_now, term;
  always_comb begin
    all_now = '0;
    term    = '0;
    for (int j = 0; j < Width; j++) begin
      term = SumBits'($signed({Signed & x_i[j*ElementBits+ElementBits-1],
                               x_i[j*ElementBits+:ElementBits]}));
      if (!w_i[j]) term = -term - 1'b1;
      if (MagnitudeBits == 0) all_now = all_now + term;
      for (int k = 0; k < MagnitudeBits; k++) begin
        if (w_i[Width+j*MagnitudeBits+k]) all_now = all_now + (term << k);
      end
    end
  end
  initial came_q = '0;
  always_ff @(posedge clk_i) if (en_i) came_q <= {came_q, 1'b1};
  assign came_at = 8'(came_q);
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_lemma
    localparam int unsigned NODES  = (Width + (1 << l) - 1) >> l;
    localparam int unsigned BITS   = LEAF_BITS + l;
    localparam int unsigned STAGES = l == LEVELS ? (LEVELS + 2) / 2 : (l + 1) / 2;
    logic [SumBits-1:0] earlier, sum;
    logic [LEVELS+2:0]  came;
    assign came = {came_q, 1'b1};
    if (l == 0) begin : gen_first
      assign earlier = all_now;
    end else begin : gen_next
      assign earlier = all[(l-1)*SumBits+:SumBits];
    end
    if (l == LEVELS || l % 2 == 1) begin : gen_register
      always_ff @(posedge clk_i) if (en_i) all[l*SumBits+:SumBits] <= earlier;
      assign counts_at[(STAGES-1)*SumBits+:SumBits] = all[l*SumBits+:SumBits];
    end else begin : gen_wire
      assign all[l*SumBits+:SumBits] = earlier;
    end
    always_comb begin
      sum = '0;
      for (int n = 0; n < NODES; n++)
        sum = sum + SumBits'($signed(gen_level[l].sum_q[n*BITS+:BITS]));
    end
    assign adds_up[l] = !came[STAGES] || sum == all[l*SumBits+:SumBits];
  end
  always_ff @(posedge clk_i) begin
    levels_are_all: assert (&adds_up && (came_q & (came_q + 1'b1)) == '0);
    sum_is_all:     assert (!came_q[(LEVELS+2)/2-1]
        || sum_o == SumBits'(base_i + all[LEVELS*SumBits+:SumBits]));
    all_are_minus:  cover (came_q[(LEVELS+2)/2-1] && all[LEVELS*SumBits+:SumBits] == '1);
  end
