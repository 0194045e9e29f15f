"""Tables of bits: what they give, what they refuse, and how they are recorded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.dataflow import BIPOLAR, Dataflow, ElementType, LutLayer, Stream
from bnnedge.dataflow.nodes import lut_layer
from bnnedge.errors import DataflowError
from tests.networks.luts import looked_up, lut_network, random_luts

BITS = Stream(shape=(4,), element=BIPOLAR)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_run_looks_tables_up(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(count)
    monkeypatch.setattr(lut_layer, "_MOST_WORDS", 600)  # several parts
    for channels in (1, 2, 70):
        node = random_luts(rng, "luts", channels, int(rng.integers(1, 60)))
        bits = rng.integers(0, 2, (count, channels), dtype=np.uint8)
        assert np.array_equal(node.run(bits), looked_up(node, bits))
        assert node.run(bits).dtype == np.uint8


def test_every_pixel_has_the_same_tables() -> None:
    rng = np.random.default_rng(0)
    node = random_luts(rng, "luts", 5, 7)
    bits = rng.integers(0, 2, (3, 2, 4, 5), dtype=np.uint8)
    assert np.array_equal(node.run(bits), looked_up(node, bits))
    stream = node.output_stream(Stream(shape=(2, 4, 5), element=BIPOLAR))
    assert str(stream) == "2 x 4 x 7 BIPOLAR"


@pytest.mark.parametrize("fan_in", range(1, 9))
def test_input_j_is_bit_j_of_the_index(fan_in: int) -> None:
    tables = np.arange(1 << fan_in) >> np.arange(fan_in)[:, None] & 1
    node = LutLayer(name="luts", wiring=np.tile(np.arange(fan_in), (fan_in, 1)), tables=tables)
    bits = np.random.default_rng(1).integers(0, 2, (50, fan_in), dtype=np.uint8)
    assert np.array_equal(node.run(bits), bits)


@pytest.mark.parametrize(
    ("wiring", "tables", "stream", "text"),
    [
        (np.zeros((2, 9)), np.zeros((2, 512)), BITS, r"wanted a wiring \(tables, 1 to 8 inputs\)"),
        (np.zeros((2, 0)), np.zeros((2, 1)), BITS, r"1 to 8 inputs\), got \(2, 0\)"),
        (np.zeros((0, 2)), np.zeros((0, 4)), BITS, r"got \(0, 2\)"),
        (np.zeros(3), np.zeros((3, 2)), BITS, r"got \(3,\)"),
        (np.zeros((2, 2)), np.zeros((2, 3)), BITS, r"wanted tables \(2, 4\), got \(2, 3\)"),
        (np.zeros((1, 1)), [[0, 2]], BITS, "tables hold more than 0 and 1"),
        ([[0, 4]], np.zeros((1, 4)), BITS, "wires to the 4 channels of 4 BIPOLAR, got 0 to 4"),
        ([[-1]], np.zeros((1, 2)), BITS, "got -1 to -1"),
        (
            [[0]],
            np.zeros((1, 2)),
            Stream(shape=(4,), element=ElementType(width_bits=1)),
            "wanted BIPOLAR inputs, got 4 UINT1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(wiring: Any, tables: Any, stream: Stream, text: str) -> None:
    node = LutLayer(name="n", wiring=np.array(wiring), tables=np.array(tables))
    with pytest.raises(DataflowError, match=f"^n: .*{text}"):
        node.output_stream(stream)


def test_a_network_of_tables_is_recorded(tmp_path: Path) -> None:
    dataflow = lut_network(0, shape=(2, 3, 5))
    dataflow.save(tmp_path)
    assert json.loads((tmp_path / "dataflow.json").read_text())["version"] == 6
    x = np.random.default_rng(2).normal(size=(20, 2, 3, 5)).astype(np.float32)
    assert np.array_equal(Dataflow.load(tmp_path).run(x), dataflow.run(x))
    assert "LutLayer" in str(dataflow.summary())


def test_counts_of_ones_are_a_matrix_of_groups() -> None:
    """2 · count − G of every class, and its arg-max."""
    dataflow = lut_network(3, classes=4, each=9)
    x = np.random.default_rng(3).normal(size=(40, 70)).astype(np.float32)
    bits = dataflow.trace(x)["lut1"].reshape(40, 4, 9).astype(int)
    assert np.array_equal(dataflow.accumulators(x), 2 * bits.sum(axis=2) - 9)
    assert np.array_equal(dataflow.run(x), bits.sum(axis=2).argmax(axis=1))


def test_tables_weigh_a_bit_an_entry() -> None:
    dataflow = lut_network(1, layers=1)
    row, *_ = dataflow.summary().rows
    node = dataflow.nodes[0]
    assert isinstance(node, LutLayer)
    assert (row.weights, row.macs) == (node.tables.size, 0)
