  // AXI4-Lite as the protocol has it, for a master that keeps to it: what it offers it holds until it is
  // taken. Address and data of a write may come in any order, and be any time apart.
  logic [31:0] images_is_q, wanted_q, wanted;
  logic        reset_is_q, write_owed_q, read_owed_q, takes_write, takes_read;
  logic [1:0]  write_waits_q, read_waits_q;
  logic [7:0]  was_awaddr_q, was_araddr_q;
  logic [31:0] was_wdata_q, was_rdata_q;
  logic [3:0]  was_wstrb_q;
  logic        data_first_q, was_aw_q, was_w_q, was_ar_q, was_b_q, was_r_q;
  assign takes_write = s_axi_awvalid & s_axi_awready;
  assign takes_read  = s_axi_arvalid & s_axi_arready;

  always_comb begin
    wanted = '0;
    if (s_axi_araddr[7:2] == ID) wanted = id_i;
    if (s_axi_araddr[7:2] == MAP_VERSION) wanted = 32'h424e4e01;
    if (s_axi_araddr[7:2] == CONTROL) wanted = 32'(reset_is_q);
    if (s_axi_araddr[7:2] == STATUS) wanted = 32'(busy_i) + 32'(frame_error_i) * 2;
    if (s_axi_araddr[7:2] == IMAGES) wanted = images_is_q;
    if (s_axi_araddr[7:2] == IMAGE_BYTES) wanted = ImageBytes;
    if (s_axi_araddr[7:2] == RESULT_BYTES) wanted = ResultBytes;
    if (s_axi_araddr[7:2] == IMAGES_IN) wanted = images_in_i;
    if (s_axi_araddr[7:2] == IMAGES_OUT) wanted = images_out_i;
    if (s_axi_araddr[7:2] == CYCLES) wanted = cycles_i;
  end

  always_ff @(posedge clk_i) begin
    {was_awaddr_q, was_wdata_q, was_wstrb_q} <= {s_axi_awaddr, s_axi_wdata, s_axi_wstrb};
    {was_araddr_q, was_rdata_q}              <= {s_axi_araddr, s_axi_rdata};
    was_aw_q <= rst_ni & s_axi_awvalid & ~s_axi_awready;
    was_w_q  <= rst_ni & s_axi_wvalid & ~s_axi_wready;
    was_ar_q <= rst_ni & s_axi_arvalid & ~s_axi_arready;
    was_b_q  <= rst_ni & s_axi_bvalid & ~s_axi_bready;
    was_r_q  <= rst_ni & s_axi_rvalid & ~s_axi_rready;
    data_first_q <= s_axi_wvalid & (data_first_q | ~s_axi_awvalid);
    if (!rst_ni) begin
      write_owed_q  <= 1'b0;
      read_owed_q   <= 1'b0;
      reset_is_q    <= 1'b0;
      images_is_q   <= 32'd1;
      write_waits_q <= '0;
      read_waits_q  <= '0;
    end else begin
      write_owed_q <= takes_write | (write_owed_q & ~(s_axi_bvalid & s_axi_bready));
      read_owed_q  <= takes_read | (read_owed_q & ~(s_axi_rvalid & s_axi_rready));
      if (takes_write && s_axi_awaddr[7:2] == CONTROL && s_axi_wstrb[0]) reset_is_q <= s_axi_wdata[0];
      if (takes_write && s_axi_awaddr[7:2] == IMAGES)
        images_is_q <= (s_axi_wdata & {{8{s_axi_wstrb[3]}}, {8{s_axi_wstrb[2]}},
                                        {8{s_axi_wstrb[1]}}, {8{s_axi_wstrb[0]}}})
            | (images_is_q & ~{{8{s_axi_wstrb[3]}}, {8{s_axi_wstrb[2]}},
                               {8{s_axi_wstrb[1]}}, {8{s_axi_wstrb[0]}}});
      write_waits_q <= s_axi_awvalid && s_axi_wvalid && !takes_write && !write_owed_q
          ? write_waits_q + 1'b1 : '0;
      read_waits_q <= s_axi_arvalid && !takes_read && !read_owed_q ? read_waits_q + 1'b1 : '0;
    end
    if (takes_read) wanted_q <= wanted;
  end

`ifdef FORMAL
  initial assume (!rst_ni);
  always_ff @(posedge clk_i) begin
    if (rst_ni && was_aw_q) assume (s_axi_awvalid && s_axi_awaddr == was_awaddr_q);
    if (rst_ni && was_w_q)
      assume (s_axi_wvalid && s_axi_wdata == was_wdata_q && s_axi_wstrb == was_wstrb_q);
    if (rst_ni && was_ar_q) assume (s_axi_arvalid && s_axi_araddr == was_araddr_q);
  end
`endif
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      ready_for_both:     assert (s_axi_awready == s_axi_wready
          && (!s_axi_awready || (s_axi_awvalid && s_axi_wvalid && was_aw_q && was_w_q)));
      ready_for_read:     assert (!s_axi_arready || (s_axi_arvalid && was_ar_q));
      write_is_answered:  assert (s_axi_bvalid == write_owed_q);
      read_is_answered:   assert (s_axi_rvalid == read_owed_q);
      one_at_a_time:      assert (!(takes_write && write_owed_q) && !(takes_read && read_owed_q));
      answers_are_held:   assert ((!was_b_q || s_axi_bvalid)
          && (!was_r_q || (s_axi_rvalid && s_axi_rdata == was_rdata_q)));
      reads_as_mapped:    assert (!read_owed_q || s_axi_rdata == wanted_q);
      written_as_mapped:  assert (reset_o == reset_is_q && images_o == images_is_q);
      soon_taken:         assert (write_waits_q <= 1 && read_waits_q <= 1
          && (write_waits_q == '0 || s_axi_awready || !(s_axi_awvalid && s_axi_wvalid))
          && (read_waits_q == '0 || s_axi_arready || !s_axi_arvalid));
      data_before_address: cover (takes_write && data_first_q);
      answered_both:       cover (s_axi_bvalid && s_axi_bready && s_axi_rvalid && s_axi_rready);
    end
  end
