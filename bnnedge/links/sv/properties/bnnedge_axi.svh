  // Streams of the wrapper, around any network: a beat that breaks its image and all behind it go no
  // further, whole images go through as they are, results come out with their transfer's end, and all
  // are counted. What is offered is held, but if a register is written meanwhile: a reset takes it
  // back, and another number of images may be the last one's.
  logic [31:0] in_beat_q, out_beat_q, result_is_q, images_came_q, results_left_q;
  logic [31:0] inner_in, inner_out;
  logic        broken_q, waits_q, last_waits_q, was_last_q, was_in_q, was_in_last_q, breaks, passes, leaves;
  logic [IN_WIDTH-1:0]   was_in_data_q;
  logic [IN_WIDTH/8-1:0] was_in_keep_q;
  logic [OUT_WIDTH-1:0]  was_data_q;
  assign inner_in  = i_image_end.counted;
  assign inner_out = i_result_end.counted;
  assign breaks = s_axis_tvalid & rst_nq & (s_axis_tkeep != {IN_WIDTH / 8{1'b1}}
      | (s_axis_tlast & in_beat_q != IN_BEATS - 1));
  assign passes = s_axis_tvalid & s_axis_tready & rst_nq & ~breaks & ~broken_q;
  assign leaves = m_axis_tvalid & m_axis_tready;

  always @(posedge aclk) begin
    if (!rst_nq) begin
      in_beat_q      <= 0;
      out_beat_q     <= 0;
      images_came_q  <= 0;
      results_left_q <= 0;
      broken_q       <= 1'b0;
    end else begin
      if (breaks) broken_q <= 1'b1;
      if (passes) in_beat_q <= in_beat_q == IN_BEATS - 1 ? 0 : in_beat_q + 1;
      if (passes && in_beat_q == IN_BEATS - 1) images_came_q <= images_came_q + 1;
      if (leaves) out_beat_q <= out_beat_q == OUT_BEATS - 1 ? 0 : out_beat_q + 1;
      if (leaves && out_beat_q == OUT_BEATS - 1) results_left_q <= results_left_q + 1;
    end
    if (!rst_nq || images_written) result_is_q <= 1;
    else if (leaves && out_beat_q == OUT_BEATS - 1) result_is_q <= m_axis_tlast ? 1 : result_is_q + 1;
    waits_q       <= rst_nq & aresetn & ~reset & m_axis_tvalid & ~m_axis_tready;
    last_waits_q  <= ~images_written;
    was_data_q    <= m_axis_tdata;
    was_last_q    <= m_axis_tlast;
    was_in_q      <= aresetn & s_axis_tvalid & ~s_axis_tready;
    was_in_data_q <= s_axis_tdata;
    was_in_keep_q <= s_axis_tkeep;
    was_in_last_q <= s_axis_tlast;
  end

`ifdef FORMAL
  initial assume (!aresetn);
  always @(posedge aclk) if (was_in_q) assume (s_axis_tvalid && s_axis_tdata == was_in_data_q
      && s_axis_tkeep == was_in_keep_q && s_axis_tlast == was_in_last_q);
`endif
  always @(posedge aclk) begin
    if (rst_nq && aresetn) begin
      valid_is_held:     assert (!waits_q || m_axis_tvalid);
      data_are_held:     assert (!waits_q || m_axis_tdata == was_data_q);
      last_is_held:      assert (!waits_q || !last_waits_q || images_written
          || m_axis_tlast == was_last_q);
      broken_goes_no_further: assert (in_valid == (s_axis_tvalid & ~breaks & ~broken_q)
          && (!broken_q || s_axis_tready));
      whole_goes_through: assert (passes == (in_valid & in_ready));
      last_of_a_transfer: assert (m_axis_tlast == (out_beat_q == OUT_BEATS - 1
                                                   && result_is_q == images));
      counted:           assert (images_in_q == images_came_q && images_out_q == results_left_q
          && frame_error_q == broken_q && result_q == result_is_q
          && in_beat_q < IN_BEATS && out_beat_q < OUT_BEATS);
      ends_a_transfer:   cover (leaves && m_axis_tlast && images == 1);
      breaks_an_image:   cover (broken_q && s_axis_tvalid);
    end
    if (!rst_nq) nothing_in_reset: assert (s_axis_tready && !m_axis_tvalid && !in_valid
                                           && !out_ready);
  end

  always @(posedge aclk) if (rst_nq) beats_as_counted:
    assert (inner_in == in_beat_q && inner_out == out_beat_q);
  if (CORE_IN_WIDTH == IN_WIDTH) begin : gen_same_width
    always @(posedge aclk) if (passes) goes_in_as_it_is: assert (core_in_data == s_axis_tdata);
  end
  if (CORE_OUT_WIDTH == OUT_WIDTH) begin : gen_same_out_width
    always @(posedge aclk) if (leaves) comes_out_as_it_is: assert (m_axis_tdata == core_out_data);
  end
