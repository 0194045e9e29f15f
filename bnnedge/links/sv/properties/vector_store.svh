  // What is reported is what happened: results, wrong words, clocks. Images are taken while it
  // measures, and what the stored results say is proven of frame_buffer.
  logic [31:0]  came_q, differed_q, clocks_q, clocks, first_came_q, last_came_q;
  logic [127:0] was_report_q;
  logic         began_q, was_reporting_q, starts, comes;
  assign starts = taken_i & measuring_q & ~began_q;
  assign comes  = taken & in_last_i;
  assign clocks = began_q ? clocks_q : 32'd0;

  initial assume (!rst_ni);
  always_ff @(posedge clk_i) begin
    was_reporting_q <= rst_ni & reporting_q;
    was_report_q    <= report_o;
    if (!rst_ni || play_q) begin
      came_q       <= '0;
      differed_q   <= '0;
      clocks_q     <= '0;
      began_q      <= 1'b0;
    end else begin
      came_q     <= came_q + 32'(comes);
      differed_q <= differed_q + 32'(taken && in_data_i != expected);
      clocks_q   <= clocks_q + 32'(starts | began_q);
      if (starts) began_q <= 1'b1;
    end
    if (comes && came_q == '0) first_came_q <= clocks;
    if (comes) last_came_q <= clocks;
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      takes_only_while_it_measures: assert (!in_ready_o || measuring_q);
      one_at_a_time: assert (32'(waiting_q) + 32'(play_q) + 32'(measuring_q) + 32'(reporting_q) < 2);
      nothing_is_left_before: assert (!(playing && (waiting_q || reporting_q || !busy_o)));
      if (measuring_q || reporting_q) begin
        results_are_counted: assert (came_q == results_q + 32'(last_q));
        wrong_words_are_counted: assert (
            differed_q == wrong_q + 32'(wrong_word_q) + 32'(taken_q & |differs_q));
        clocks_are_counted: assert (clock_q + 32'(began_q) == clocks_q);
        begin_is_known: assert (began_q == (running_q | begins_q) && (began_q || clocks_q == '0)
            && first_q == (results_q == '0));
        last_is_known: assert (last_q || results_q == '0 || last_clock_q == last_came_q);
        last_is_now: assert (!last_q || clock_q == last_came_q);
        first_is_known: assert (results_q == '0 || first_clock_q == first_came_q);
        first_is_now: assert (!(last_q && results_q == '0) || clock_q == first_came_q);
        few_results: assume (came_q < 32'hffff_fff0);
      end
      over_is_over: assert (!over_q || (!playing && !taken_q && !last_q));
      measured_is_whole: assert (!measured_q || (over_q || !measuring_q) && !wrong_word_q);
      report_is_whole: assert (!measured_o || (results_q == came_q && wrong_q == differed_q
          && (came_q == '0 || (first_clock_q == first_came_q && last_clock_q == last_came_q))));
      report_is_held: assert (!(was_reporting_q && reporting_q) || report_o == was_report_q);
      reports_a_wrong_word: cover (measured_o && wrong_q == 32'd1 && results_q == 32'd2);
    end
  end
