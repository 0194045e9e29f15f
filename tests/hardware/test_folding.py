"""Choosing PE and SIMD, and reading them from a file."""

import dataclasses
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnedge.dataflow import Dataflow, Window
from bnnedge.errors import FoldingError
from bnnedge.hardware import RtlConfig
from bnnedge.hardware.folding import (
    Fold,
    axis_bits,
    choose_folding,
    default_fps,
    interval_of,
    read_folding,
)
from tests.networks import random_mlp, with_class_scales
from tests.networks.chains import ChainMaker, bit_encoding
from tests.networks.luts import lut_network


def graph_of(*widths: int) -> Dataflow:
    graph = random_mlp(widths)
    nodes = (dataclasses.replace(mvu, name=f"fc{i}") for i, mvu in enumerate(graph.mvus))
    return dataclasses.replace(graph, nodes=tuple(nodes))


@given(
    widths=st.lists(st.integers(1, 200), min_size=2, max_size=5),
    interval=st.integers(1, 5000),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_every_layer_meets_the_target(widths: list[int], interval: int) -> None:
    graph = graph_of(*widths)
    folding = choose_folding(graph, target_fps=100e6 / interval, clock_mhz=100)
    for layer in graph.mvus:
        fold = folding[layer.name]
        assert layer.mh % fold.pe == 0 and layer.mw % fold.simd == 0
        assert (layer.mh // fold.pe) * (layer.mw // fold.simd) <= interval


def test_a_slow_target_costs_one_synapse() -> None:
    assert choose_folding(graph_of(16, 4), target_fps=1, clock_mhz=1) == {"fc0": Fold(pe=1, simd=1)}


def test_the_fastest_target_unrolls_everything_but_what_is_small() -> None:
    assert choose_folding(graph_of(12, 6, 3), target_fps=50e6, clock_mhz=50) == {
        "fc0": Fold(pe=6, simd=12, unrolled=True),
        "fc1": Fold(pe=3, simd=6),
    }


def test_what_counts_votes_of_tables_is_unrolled_at_any_rate() -> None:
    folding = choose_folding(lut_network(0), target_fps=1, clock_mhz=100)
    assert folding == {"count": Fold(pe=5, simd=65, unrolled=True)}


def test_the_default_is_within_reach_of_every_network() -> None:
    assert default_fps(graph_of(64, 32, 10), 100) == 100_000
    # 2 million synapses in 1,024 at a time.
    assert default_fps(graph_of(2000, 1000, 10), 100) == 100e6 / 1963
    maker = ChainMaker(0, bit_encoding((40, 40, 1)))
    maker.conv(2, Window(kernel=(3, 3)))
    maker.flatten()
    maker.matrix(2, thresholded=False)
    windows = maker.finish(classes=False)
    # 38 x 38 windows of nine taps, one pixel a cycle.
    assert default_fps(windows, 100) == 100e6 / 12996
    assert choose_folding(windows, target_fps=100e6 / 12996, clock_mhz=100)


def test_widths_that_divide_each_other_are_preferred() -> None:
    folding = choose_folding(graph_of(784, 64, 64, 64, 10), target_fps=1e6, clock_mhz=100)
    for before, after in itertools.pairwise(folding.values()):
        wide, narrow = max(before.pe, after.simd), min(before.pe, after.simd)
        assert wide % narrow == 0


def test_more_than_an_image_per_cycle_is_out_of_reach() -> None:
    with pytest.raises(FoldingError) as caught:
        choose_folding(graph_of(4, 4), target_fps=2e8, clock_mhz=100)
    assert str(caught.value) == (
        "target_fps: wanted 2e+08 images/s, at 100 MHz fc0 does at most 1e+08"
        " — lower the target or raise the clock"
    )


def test_top_k_takes_a_class_per_cycle() -> None:
    """At 100 MHz 12 classes take 120 ns; an arg-max takes as many at a time as it must."""
    first = random_mlp((64, 64, 12), classes=True)
    top = with_class_scales(first, k=2)
    choose_folding(first, target_fps=100e6, clock_mhz=100)
    choose_folding(top, target_fps=100e6 / 12, clock_mhz=100)
    text = "wanted 1e\\+07 images/s, at 100 MHz argmax does at most 8.33333e\\+06"
    with pytest.raises(FoldingError, match=text):
        choose_folding(top, target_fps=10e6, clock_mhz=100)
    unfolded = {mvu.name: Fold(pe=mvu.mh, simd=mvu.mw) for mvu in top.mvus}
    assert (interval_of(first, unfolded), interval_of(top, unfolded)) == (1, 12)


def test_axis_is_widened_only_where_it_would_starve() -> None:
    assert axis_bits(784, 25) == 32
    assert axis_bits(784, 24) == 64
    assert axis_bits(784, 1) == 1024


def test_folding_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text('{"fc1": {"PE": 1, "SIMD": 3}, "fc0": {"PE": 3, "SIMD": 2}}')
    assert read_folding(path, graph_of(4, 6, 2)) == {
        "fc0": Fold(pe=3, simd=2),
        "fc1": Fold(pe=1, simd=3),
    }


def test_empty_defaults_of_finn_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "folding.json"
    path.write_text('{"Defaults": {}, "fc0": {"PE": 3, "SIMD": 2}}')
    assert read_folding(path, graph_of(4, 6)) == {"fc0": Fold(pe=3, simd=2)}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            {"Defaults": {}, "MVAU_hls_0": {"PE": 2, "SIMD": 2}},
            "wanted the nodes fc0, got MVAU_hls_0 — give PE and SIMD of every matrix-vector unit"
            " by the name that it has in the Dataflow, and nothing else; Defaults may be there if",
        ),
        ({"Defaults": {"PE": [2, ["MVAU"]]}}, 'wanted {"PE": p, "SIMD": s}, got'),
        ({"fc0": {"PE": 4, "SIMD": 1}}, "wanted PE that divides MH=6, got 4 — choose one of 1,"),
        ({"fc0": {"PE": 2, "SIMD": 3}}, "wanted SIMD that divides MW=4, got 3"),
        ({"fc0": {"PE": 2, "SIMD": -1}}, "got -1"),
        ({"fc0": {"PE": 2, "SIMD": True}}, "got True"),
        ({"fc0": {"PE": 2, "SIMD": "2"}}, "got '2'"),
        ({"fc0": {"PE": 2}}, 'wanted {"PE": p, "SIMD": s}'),
        ({"fc0": {"unrolled": True}}, 'give both; "unrolled": true may be beside them'),
        ({"fc9": {"PE": 2, "SIMD": 2}}, "wanted the nodes fc0, got fc9"),
        ({}, "wanted the nodes fc0, got "),
        ([1], "wanted the nodes of a network, got list"),
    ],
)
def test_folding_file_is_refused(tmp_path: Path, record: object, text: str) -> None:
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(record))
    with pytest.raises(FoldingError) as caught:
        read_folding(path, graph_of(4, 6))
    assert text in str(caught.value)


@pytest.mark.parametrize("text", [None, "{", "\xff"])
def test_unreadable_folding_file_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "folding.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FoldingError, match="cannot read .*folding.json: "):
        read_folding(path, graph_of(4, 6))


def test_config_refuses_what_contradicts_itself() -> None:
    with pytest.raises(FoldingError, match="got both"):
        RtlConfig(target_fps=1.0, folding=Path("f.json"))
    with pytest.raises(FoldingError, match="clock_mhz: wanted 0.001 to 10,000 MHz, got 0"):
        RtlConfig(clock_mhz=0.0)
    with pytest.raises(FoldingError, match="target_fps: wanted a positive number, got nan"):
        RtlConfig(target_fps=float("nan"))
