"""Ranges of results: no input leaves them, and some inputs reach their ends."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from bnnedge.dataflow import ArgMax, Dataflow, Flatten, IntegerMvu, XnorMvu
from bnnedge.deployment.ranges import ResultRanges
from tests.networks import random_conv, random_magnitudes, random_mlp, random_residual
from tests.networks.branches import random_branches
from tests.networks.chains import random_chain
from tests.networks.tables import integer_mlp, integers, pooled_sums, sums_of_integers

MAKERS: dict[str, Callable[[int], Dataflow]] = {
    "chains": random_chain,
    "magnitudes": lambda seed: random_chain(seed, magnitudes=8),
    "branches": random_branches,
    "residual": lambda seed: random_residual(seed=seed),
    "conv": lambda seed: random_conv(seed=seed),
    "mlp": lambda seed: random_mlp((19, 12, 5), seed=seed),
    "classes": lambda seed: random_mlp((19, 12, 5), seed=seed, classes=True),
    "pools": lambda seed: pooled_sums(seed=seed),
    "sums": lambda seed: sums_of_integers(seed=seed),
    "integers": lambda seed: integer_mlp(integers(8), seed=seed),
}


def answers(dataflow: Dataflow, count: int, seed: int) -> np.ndarray:
    """What the hardware gives for random and extreme encoded inputs (count, K)."""
    random = np.random.default_rng(seed)
    stream = dataflow.input.stream
    low, high = (
        (0, 1) if stream.element.bipolar else (stream.element.smallest, stream.element.largest)
    )
    encoded = random.integers(low, high, (count, *stream.shape), endpoint=True)
    ends = random.random((count // 2, *stream.shape)) < random.random(
        (count // 2, 1, 1, 1)[: 1 + len(stream.shape)]
    )
    encoded[: count // 2] = np.where(ends, low, high)
    encoded[0], encoded[1] = low, high
    return dataflow.results_of(encoded.astype(np.uint8 if stream.element.bipolar else np.int32))


@pytest.mark.parametrize("kind", MAKERS)
def test_no_result_is_outside(kind: str) -> None:
    for seed in range(12):
        dataflow = MAKERS[kind](seed)
        ranges = ResultRanges.of(dataflow)
        found = answers(dataflow, 24, seed).reshape(24, -1)
        assert ranges.low.shape == ranges.high.shape == found.shape[1:]
        assert (ranges.low <= found).all() and (found <= ranges.high).all()
        assert not ((found - ranges.low) % ranges.step).any()
        if not isinstance(dataflow.nodes[-1], ArgMax):
            output = dataflow.output
            most = output.low + output.step * (output.values.shape[1] - 1)
            assert (ranges.low >= output.low).all() and (ranges.high <= most).all()
            assert not ((ranges.low - output.low) % output.step).any()


@pytest.mark.parametrize("kind", ["bits", "integers"])
@pytest.mark.parametrize("most", [0, 1, 8])
def test_ends_are_reached(kind: str, most: int) -> None:
    dataflow = random_mlp((19, 7), seed=1) if kind == "bits" else sums_of_integers(seed=1)
    mvu = dataflow.nodes[-1]
    assert isinstance(mvu, XnorMvu | IntegerMvu)
    assert all(isinstance(node, Flatten) for node in dataflow.nodes[:-1])
    element = dataflow.input.stream.element
    if most:
        most = 1 if kind == "bits" else most
        magnitudes = random_magnitudes(np.random.default_rng(1), mvu.mh, mvu.mw, most)
        mvu = dataclasses.replace(mvu, magnitudes=magnitudes)
        reach = int(mvu.sums.max()) * max(-element.least, element.most)
        values = np.tile(np.arange(-reach, reach + 1, dtype=np.float32), (mvu.mh, 1))
        output = dataclasses.replace(dataflow.output, values=values, low=-reach, step=1)
        nodes = (*dataflow.nodes[:-1], mvu)
        dataflow = dataclasses.replace(dataflow, nodes=nodes, output=output)
        dataflow.verify()
    low, high = (0, 1) if kind == "bits" else (element.smallest, element.largest)
    best = np.where(mvu.weights, high, low).reshape(-1, *dataflow.input.output_shape)
    worst = np.where(mvu.weights, low, high).reshape(-1, *dataflow.input.output_shape)
    ranges = ResultRanges.of(dataflow)
    assert (np.diag(dataflow.accumulators_of(best)) == ranges.high).all()
    assert (np.diag(dataflow.accumulators_of(worst)) == ranges.low).all()
