import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import (
    BIPOLAR,
    Add,
    Concat,
    Crop,
    Dataflow,
    ElementType,
    MultiThreshold,
    PadChannels,
    Stream,
)
from bnnedge.dataflow.graph import GRAPH_FILE
from bnnedge.errors import DataflowError
from tests.networks import random_conv, random_residual

INT4 = ElementType(width_bits=4, signed=True)


def test_results_count_the_thresholds_that_are_reached() -> None:
    node = MultiThreshold(
        name="m",
        thresholds=np.array([[-3, 0, 0, 7], [-3, 0, 0, 7]]),
        invert=np.array([False, True]),
        low=-2,
    )
    values = np.repeat(np.arange(-5, 9)[:, None], 2, axis=1)
    got = node.run(values)
    for value, row in zip(values, got, strict=True):
        count = sum(int(value[0] >= t) for t in (-3, 0, 0, 7))
        assert row.tolist() == [-2 + count, 2 - count]
    stream = Stream(shape=(2,), element=ElementType(width_bits=5, signed=True))
    assert node.output_stream(stream).element == ElementType(width_bits=3, signed=True)


@pytest.mark.parametrize(("low", "high", "bits"), [(-8, 7, 4), (-8, 8, 5), (0, 1, 2), (0, 0, 1)])
def test_types_hold_their_range(low: int, high: int, bits: int) -> None:
    assert ElementType.holding(low, high) == ElementType(width_bits=bits, signed=True)


def test_a_sum_holds_its_extremes() -> None:
    node = Add(name="add", factors=(-2, 1))
    shape = (2, 2, 3)
    element = node.output_stream(
        Stream(shape=shape, element=INT4), Stream(shape=shape, element=BIPOLAR)
    ).element
    assert element.smallest <= -15 and element.largest >= 17
    first = np.array([[[-8, 7, 0]]])
    bits = np.array([[[1, 0, 0]]], np.uint8)
    assert node.run(first, bits).tolist() == [[[17, -15, -1]]]


def test_joined_channels_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(-8, 8, (2, 3, 3, 2)), rng.integers(-8, 8, (2, 3, 3, 5))
    joined = Concat(name="c").run(first, second)
    assert np.array_equal(joined[..., :2], first) and np.array_equal(joined[..., 2:], second)
    padded = PadChannels(name="p", before=1, after=2).run(first)
    assert np.array_equal(padded[..., 1:3], first)
    assert not padded[..., 0].any() and not padded[..., 3:].any()
    assert np.array_equal(Crop(name="c", top=1, left=2).run(first), first[:, 1:, 2:])


def residual_of(dataflow: Dataflow, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first block of `random_residual`, node by node."""
    by_name = {node.name: node for node in dataflow.nodes}
    encoded = dataflow.encode(x)

    def run(name: str, *values: NDArray[np.int64]) -> NDArray[np.int64]:
        return by_name[name].run(*values)

    stream = run("quantise0", run("mvu0", run("window0", encoded)))
    branch = run("mvu1", run("window1", run("sign1", stream)))
    return run("clamp1", run("add1", run("quantise1", branch), stream))


def test_a_fork_is_read_by_all_of_its_readers() -> None:
    dataflow = random_residual()
    x = np.random.default_rng(0).integers(0, 256, (10, *dataflow.input.input_shape))
    trace = dataflow.trace(x)
    assert np.array_equal(trace["clamp1"], residual_of(dataflow, x))
    assert len(np.unique(trace["clamp1"])) > 8
    assert np.array_equal(dataflow.accumulators(x), trace[dataflow.nodes[-1].name])
    assert len(np.unique(dataflow.run(x), axis=0)) > 5


def test_branches_are_saved(tmp_path: Path) -> None:
    dataflow = random_residual()
    dataflow.save(tmp_path)
    assert json.loads((tmp_path / GRAPH_FILE).read_text())["version"] == 4
    loaded = Dataflow.load(tmp_path)
    assert loaded.streams() == dataflow.streams()
    assert loaded.sources == dataflow.sources
    x = np.random.default_rng(0).integers(0, 256, (10, *dataflow.input.input_shape))
    assert np.array_equal(loaded.run(x), dataflow.run(x))


def test_chains_are_written_as_before_branches(tmp_path: Path) -> None:
    random_conv().save(tmp_path)
    record = json.loads((tmp_path / GRAPH_FILE).read_text())
    assert record["version"] == 3 and "inputs" not in record


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"add1": ("quantise1",)}, "add1: wanted 2 inputs, got 1"),
        ({"mvu1": ("window1", "window1")}, "mvu1: wanted 1 inputs, got 2"),
        ({"add1": ("quantise1", "mvu2")}, "add1: reads mvu2, which does not come before"),
        ({"add1": ("quantise1", "nothing")}, "add1: reads nothing, which does not come before"),
        ({"add1": ("quantise1", "sign1")}, None),
        ({"add1": ("quantise1", "quantise1")}, None),
        ({"add1": ("quantise0", "quantise0")}, "quantise1: no node reads it"),
        ({"gone": ("mvu1",)}, "inputs of gone, which is no node"),
        ({"add1": ("quantise1", "input")}, "add1: wanted equal shapes"),
    ],
)
def test_wrong_edges_are_named(inputs: dict[str, tuple[str, ...]], text: str | None) -> None:
    dataflow = random_residual()
    changed = dataclasses.replace(dataflow, inputs={**dataflow.inputs, **inputs})
    if text is None:
        changed.verify()
        return
    with pytest.raises(DataflowError, match=text):
        changed.verify()


INT6 = Stream(shape=(4, 4, 2), element=ElementType(width_bits=6, signed=True))
BITS = Stream(shape=(4, 4, 2), element=BIPOLAR)


@pytest.mark.parametrize(
    ("node", "streams", "text"),
    [
        (Add(name="a"), (INT6, Stream(shape=(4, 4, 3), element=INT4)), "equal shapes"),
        (Add(name="a", factors=(0, 1)), (INT6, INT6), "a factor is 0"),
        (Concat(name="c"), (INT6, BITS), "all of bits or all of integers"),
        (PadChannels(name="p", before=0, after=1), (BITS,), "has no 0"),
        (PadChannels(name="p", before=-1, after=1), (INT6,), "0 or more"),
        (Crop(name="c", top=4, left=0), (INT6,), "leave nothing"),
        (Crop(name="c", top=0, left=0), (Stream(shape=(4,), element=INT4),), "feature map"),
    ],
)
def test_misfits_are_refused(
    node: Add | Concat | PadChannels | Crop, streams: tuple[Stream, ...], text: str
) -> None:
    with pytest.raises(DataflowError, match=text):
        node.output_stream(*streams)


@pytest.mark.parametrize(
    ("thresholds", "invert", "stream", "text"),
    [
        (np.zeros((3, 2)), np.zeros(3), INT6, "of 2 channels"),
        (np.array([[1, 0], [0, 1]]), np.zeros(2), INT6, "not ascending"),
        (np.zeros((2, 0)), np.zeros(2), INT6, "1 to 255"),
        (np.zeros((2, 256)), np.zeros(2), INT6, "1 to 255"),
        (np.zeros((2, 1)), np.zeros(2), BITS, "wanted signed integers"),
    ],
)
def test_wrong_thresholds_are_refused(
    thresholds: NDArray[np.int32], invert: NDArray[np.bool_], stream: Stream, text: str
) -> None:
    node = MultiThreshold(name="m", thresholds=thresholds, invert=invert, low=0)
    with pytest.raises(DataflowError, match=text):
        node.output_stream(stream)
