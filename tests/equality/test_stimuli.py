"""The stimuli of every check reach what they are said to reach."""

import dataclasses

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow, ElementType, IntegerMvu, OutputTable, XnorMvu
from bnnedge.equality import edge_inputs, inputs_for, stimuli
from tests.networks import random_conv, random_magnitudes, random_mlp, random_residual
from tests.networks.chains import bit_encoding, pixel_encoding, random_chain

NETWORKS = {
    "mlp": random_mlp((20, 12, 6, 3), seed=5),
    "classes": random_mlp((64, 16, 10), seed=2, classes=True),
    "one": random_mlp((1, 1)),
    "conv": random_conv(),
    "residual": random_residual(),
    "magnitudes": random_chain(1, magnitudes=8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_stimuli_are_the_encoded_inputs_of_a_network(name: str) -> None:
    dataflow = NETWORKS[name]
    stream = dataflow.input.stream
    low, high = (0, 1) if stream.element.bipolar else (0, stream.element.largest)
    for count in (1, 2, 9, 40):
        encoded = stimuli(dataflow, count, seed=3)
        assert encoded.shape == (count, *stream.shape)
        assert encoded.dtype == (np.uint8 if stream.element.bipolar else np.int32)
        assert encoded.min() >= low and encoded.max() <= high
        assert (encoded == stimuli(dataflow, count, seed=3)).all()
        dataflow.results_of(encoded)
    assert (encoded[0] == low).all() and (encoded[1] == high).all()
    assert (encoded != stimuli(dataflow, 40, seed=4)).any()


def test_accumulators_of_rows_are_at_their_thresholds_and_beside_them_and_at_both_ends() -> None:
    mvu = NETWORKS["mlp"].nodes[0]
    assert isinstance(mvu, XnorMvu) and mvu.thresholds is not None
    counts = mvu.popcounts(stimuli(NETWORKS["mlp"], 140, seed=0))
    for row, threshold in enumerate(mvu.thresholds):
        reached = {*range(mvu.mw + 1)} & {threshold - 1, threshold, threshold + 1, 0, mvu.mw}
        assert reached <= set(counts[:, row].tolist())
    # The first few suffice for one row: the gate level sees no more.
    few = mvu.popcounts(stimuli(NETWORKS["mlp"], 10, seed=0))
    at = int(mvu.thresholds[0])
    assert few[2:5, 0].tolist() == [at, at - 1, at + 1]


@pytest.mark.parametrize(("seed", "pixels"), [(1, True), (3, True), (0, False), (4, False)])
def test_accumulators_of_zeros_and_magnitudes_are_at_their_thresholds(
    seed: int, pixels: bool
) -> None:
    """As near as sums of the row come: those of even magnitudes only are even."""
    shape = (1, 1, 24)
    encoding = pixel_encoding(shape, ElementType(width_bits=4)) if pixels else bit_encoding(shape)
    rng, most = np.random.default_rng(seed), 8 if pixels else 1
    weights = rng.integers(0, 2, (6, 24))
    magnitudes = random_magnitudes(rng, 6, 24, most)
    magnitudes[:, 0] = 1
    sums = magnitudes.sum(axis=1, dtype=np.int64)
    kind = IntegerMvu if pixels else XnorMvu
    thresholds = sums if pixels else sums // 2
    mvu = kind(
        name="first",
        weights=weights,
        magnitudes=magnitudes,
        thresholds=thresholds,
        invert=np.zeros(6, np.bool_),
    )
    nodes = (mvu, XnorMvu(name="last", weights=rng.integers(0, 2, (3, 6))))
    values = np.tile(np.arange(-6, 7, 2, dtype=np.float32), (3, 1))
    dataflow = dataclasses.replace(
        random_mlp((24, 6, 3)),
        input=dataclasses.replace(encoding, output_shape=(24,)),
        nodes=nodes,
        output=OutputTable(values=values, classes=False, low=-6),
    )
    dataflow.verify()
    encoded = stimuli(dataflow, 200, seed=0)
    if isinstance(mvu, XnorMvu):
        found = mvu.popcounts(encoded)
        ends = [np.zeros_like(sums), sums]
    else:
        found = dataclasses.replace(mvu, thresholds=None, invert=None).run(encoded)
        positive = mvu.values.clip(min=0).sum(axis=1)
        ends = [15 * (positive - sums), 15 * positive]
    for row in range(6):
        seen = set(found[:, row].tolist())
        at = int(thresholds[row])
        wanted = {at - 1, at, at + 1, *(int(end[row]) for end in ends)}
        assert {w for w in wanted if ends[0][row] <= w <= ends[1][row]} <= seen


def test_windows_see_integers_that_sum_to_the_thresholds() -> None:
    dataflow = NETWORKS["conv"]
    window, mvu = dataflow.nodes[:2]
    assert isinstance(mvu, IntegerMvu) and mvu.thresholds is not None
    sums = dataclasses.replace(mvu, thresholds=None, invert=None).run(
        window.run(stimuli(dataflow, 100, seed=0))
    )
    checked = 0
    for row, threshold in enumerate(mvu.thresholds[:6].tolist()):
        positive = int(mvu.weights[row].sum())
        if -255 * (mvu.mw - positive) < threshold < 255 * positive:
            assert {threshold - 1, threshold, threshold + 1} <= set(sums[..., row].ravel().tolist())
            checked += 1
    assert checked > 2


def test_more_classes_tie_than_at_random() -> None:
    def ties(dataflow: Dataflow, encoded: np.ndarray) -> int:
        best = np.sort(dataflow.output.logits(dataflow.accumulators_of(encoded)), axis=1)
        return int((best[:, -1] == best[:, -2]).sum())

    dataflow = NETWORKS["classes"]
    chosen = stimuli(dataflow, 256, seed=1)[-16:]
    assert ties(dataflow, chosen) == 16


@pytest.mark.parametrize("name", NETWORKS)
def test_inputs_are_encoded_as_asked(name: str) -> None:
    dataflow = NETWORKS[name]
    encoded = stimuli(dataflow, 20, seed=0)
    assert (dataflow.encode(inputs_for(dataflow.input, encoded)) == encoded).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_edge_inputs_are_on_both_sides_of_every_threshold(name: str) -> None:
    encoding = NETWORKS[name].input
    x = edge_inputs(encoding, 12, seed=0)
    assert x.shape == (12, *encoding.input_shape) and x.dtype == np.float32
    encoded = encoding.encode(x)
    element = encoding.stream.element
    low, high = (0, 1) if element.bipolar else (element.smallest, element.largest)
    assert (encoded[0] == low).all() and (encoded[1] == high).all()
    assert (encoding.encode(x) == encoding.encode(edge_inputs(encoding, 12, seed=0))).all()
    for part in (encoded[::2], encoded[1::2]):
        assert len(np.unique(part)) > 1
    assert len(edge_inputs(encoding, 0, seed=0)) == 0
