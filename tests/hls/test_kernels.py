"""Every kernel's HLS twin on the test grid of the SystemVerilog kernels, equal to numpy."""

# ruff: noqa: F401 - pytest finds the imported tests here, too

from tests.hardware.test_branches import (
    test_add_is_the_weighted_sum,
    test_both_ends_of_a_fork_get_every_word,
    test_channels_are_padded_on_both_sides,
    test_concat_takes_a_pixel_of_one_and_of_the_other,
    test_crop_drops_first_rows_and_columns,
    test_multi_threshold_counts_what_is_reached,
    test_shared_codes_of_few_bits_are_a_table,
)
from tests.hardware.test_kernels import (
    test_arg_max_takes_the_lowest_of_ties,
    test_score_table_looks_up_every_accumulator,
    test_top_k_keeps_equals_in_order,
    test_width_converter_repacks_any_frames,
    test_width_converter_repacks_frames,
)
from tests.hardware.test_mvu import (
    test_a_groups_rows_see_their_own_inputs_only,
    test_columns_of_a_mask_do_not_count,
    test_integer_mvu_equals_interpreter,
    test_mvu_equals_interpreter,
    test_mvu_equals_interpreter_for_many_shapes,
    test_mvu_has_thresholds_and_corrections_by_border_class,
    test_products_with_magnitudes_equal_the_interpreters,
    test_threshold_equals_interpreter,
)
from tests.hardware.test_windows import (
    test_any_pool_equals_interpreter,
    test_any_sliding_window_equals_interpreter,
    test_deep_lines_are_in_block_ram,
    test_pool_equals_interpreter_at_full_rate,
    test_sliding_window_equals_interpreter_at_full_rate,
)
from tests.hls.bench import needs_ap_types

pytestmark = needs_ap_types
