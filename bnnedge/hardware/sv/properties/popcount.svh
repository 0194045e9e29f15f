  // A lemma for every level: its nodes are the agreements among their positions, and add up to all of
  // them, as of the clock cycle in which these came. `here` are the nodes in wide arithmetic. That
  // they add up is associativity alone; a solver needs minutes for it above 32 positions.
  localparam int unsigned WIDE = COUNT_BITS + 2;
  logic [LEVELS:0] node_is, level_adds_up;
  logic [WIDE-1:0] all;
  always_comb begin
    all = '0;
    for (int i = 0; i < Width; i++) all = all + WIDE'(a_i[i] == b_i[i]);
  end

  for (genvar l = 0; l <= LEVELS; l++) begin : gen_lemma
    localparam int unsigned NODES = (LEAVES + (1 << l) - 1) >> l;
    logic [NODES*WIDE-1:0] here_d, here;
    logic [NODES-1:0]      equal;
    logic [WIDE-1:0]       all_d, all_here;
    logic [WIDE-1:0]       sum;
    for (genvar n = 0; n < NODES; n++) begin : gen_node
      if (l == 0) begin : gen_leaf
        assign here_d[n*WIDE+:WIDE] = WIDE'(padded[GROUP*n]) + WIDE'(padded[GROUP*n+1])
            + WIDE'(padded[GROUP*n+2]);
      end else if (2*n + 1 < (LEAVES + (1 << (l - 1)) - 1) >> (l - 1)) begin : gen_add
        assign here_d[n*WIDE+:WIDE] = gen_lemma[l-1].here[2*n*WIDE+:WIDE]
            + gen_lemma[l-1].here[(2*n+1)*WIDE+:WIDE];
      end else begin : gen_pass
        assign here_d[n*WIDE+:WIDE] = gen_lemma[l-1].here[2*n*WIDE+:WIDE];
      end
      localparam int unsigned LEFT = Width - n * (GROUP << l);  // positions from here on
      assign equal[n] = here[n*WIDE+:WIDE] <= WIDE'(LEFT < (GROUP << l) ? LEFT : GROUP << l)
          && gen_level[l].sum_q[n*(GROUP_BITS+l)+:GROUP_BITS+l] == here[n*WIDE+:WIDE];
    end
    if (l == 0) begin : gen_first
      assign all_d = all;
    end else begin : gen_next
      assign all_d = gen_lemma[l-1].all_here;
    end
    if (l + LATENCY > LEVELS) begin : gen_register
      always_ff @(posedge clk_i) if (en_i) {all_here, here} <= {all_d, here_d};
    end else begin : gen_wire
      assign {all_here, here} = {all_d, here_d};
    end
    always_comb begin
      sum = '0;
      for (int n = 0; n < NODES; n++) sum = sum + here[n*WIDE+:WIDE];
    end
    assign node_is[l]       = &equal;
    assign level_adds_up[l] = sum == all_here;
  end

  // Registers hold anything until words have come.
  logic [LATENCY-1:0] came_q;
  logic [LEVELS:0]    nodes_are, levels_add_up;
  initial came_q = '0;
  always_ff @(posedge clk_i) if (en_i) came_q <= {came_q, 1'b1};
  // What is in every stage, for the unit that counts with it.
  logic [8*WIDE-1:0] counts_at;
  logic [7:0]        came_at;
  assign came_at = 8'(came_q);
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_came
    localparam int unsigned STAGES = l + LATENCY > LEVELS ? l + LATENCY - LEVELS : 0;
    logic [LATENCY:0] came;
    assign came             = {came_q, 1'b1};
    if (l + LATENCY > LEVELS) begin : gen_stage
      assign counts_at[(STAGES-1)*WIDE+:WIDE] = gen_lemma[l].all_here;
    end
    assign nodes_are[l]     = !came[STAGES] || node_is[l];
    assign levels_add_up[l] = Width > 32 || !came[STAGES] || level_adds_up[l];
  end
  always_ff @(posedge clk_i) begin
    nodes_are_sums:  assert (&nodes_are && (came_q & (came_q + 1'b1)) == '0);
    levels_are_all:  assert (&levels_add_up);
    sum_is_all:      assert (!came_q[LATENCY-1]
        || sum_o == SumBits'(base_i + gen_lemma[LEVELS].here));
    all_agree:       cover (came_q[LATENCY-1] && gen_lemma[LEVELS].here == WIDE'(Width));
  end
