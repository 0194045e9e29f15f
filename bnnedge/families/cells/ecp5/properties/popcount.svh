  // A lemma for every level: what its nodes lack of all positions below them are the agreements
  // among these, as of the clock cycle in which they came. `here` are the agreements, `spare` those of
  // the positions not counted yet.
  localparam int unsigned WIDE = BITS + 1;
  logic [LEVELS:0] level_is;

  for (genvar l = 0; l <= LEVELS; l++) begin : gen_lemma
    localparam int unsigned NODES = (LEAVES + (1 << l) - 1) >> l;
    logic [NODES*WIDE-1:0] here_d, here;
    logic [NODES-1:0]      spare_d, spare, equal;
    for (genvar n = 0; n < NODES; n++) begin : gen_node
      if (l == 0) begin : gen_leaf
        assign here_d[n*WIDE+:WIDE] = WIDE'(a[n] == b[n]) + WIDE'(a[LEAVES+n] == b[LEAVES+n])
            + WIDE'(a[2*LEAVES+n] == b[2*LEAVES+n]);
        assign spare_d[n] = a[3*LEAVES+n] == b[3*LEAVES+n];
      end else begin : gen_inner
        localparam int unsigned BELOW  = (LEAVES + (1 << (l - 1)) - 1) >> (l - 1);
        if (n < BELOW / 2) begin : gen_add
          assign here_d[n*WIDE+:WIDE] = gen_lemma[l-1].here[2*n*WIDE+:WIDE]
              + gen_lemma[l-1].here[(2*n+1)*WIDE+:WIDE] + WIDE'(gen_lemma[l-1].spare[n]);
        end else begin : gen_pass
          assign here_d[n*WIDE+:WIDE] = gen_lemma[l-1].here[2*n*WIDE+:WIDE];
        end
        assign spare_d[n] = gen_lemma[l-1].spare[BELOW/2+n];
      end
      assign equal[n] = WIDE'(gen_level[l].sum_q[n*(l+2)+:l+2]) + here[n*WIDE+:WIDE]
          == WIDE'((1 << (l + 2)) - 1);
    end
    always_ff @(posedge clk_i) if (en_i) {spare, here} <= {spare_d, here_d};
    assign level_is[l] = &equal && (gen_level[l].a_q ~^ gen_level[l].b_q) == spare;
  end

  // Registers hold anything until words have come.
  logic [LEVELS:0] came_q, levels_are;
  initial came_q = '0;
  always_ff @(posedge clk_i) if (en_i) came_q <= {came_q, 1'b1};
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_came
    assign levels_are[l] = !came_q[l] || level_is[l];
  end
  always_ff @(posedge clk_i) begin
    levels_agree:  assert (&levels_are && (came_q & (came_q + 1'b1)) == '0);
    sum_is_all:    assert (!came_q[LEVELS]
        || sum_o == SumBits'(base_i + gen_lemma[LEVELS].here + gen_lemma[LEVELS].spare));
    all_agree:     cover (came_q[LEVELS] && base_i != '0
        && gen_lemma[LEVELS].here + gen_lemma[LEVELS].spare == WIDE'(Width));
  end
