"""Inputs of a graph at which lowerings go wrong, made of what the Dataflow says of them."""

import itertools

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    Dataflow,
    Flatten,
    IntegerEncoding,
    LutLayer,
    MaxPool,
    SlidingWindow,
    ThresholdEncoding,
)
from bnnedge.dataflow.encoding import Bits
from bnnedge.equality import inputs_at_levels, inputs_for

Inputs = NDArray[np.float32]
_TABLE_ROWS = 32


def adversarial_inputs(dataflow: Dataflow, images: int, seed: int) -> Inputs:
    """Inputs (N, *shape): `images` random ones, then those at which lowerings go wrong.

    Values at the thresholds or steps and one float below and above; inputs that match a row of the
    first layer everywhere and nowhere; all bits 0, all bits 1 (or the integers' ends).
    """
    rng = np.random.default_rng(seed)
    encoding = dataflow.input
    thresholds = encoding.threshold if isinstance(encoding, ThresholdEncoding) else encoding.steps
    finite = thresholds[np.isfinite(thresholds)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    spread = max(float(high) - float(low), abs(float(high)), 1e-30)
    size = (images, encoding.elements)
    rows: list[NDArray[np.floating | np.integer]] = [
        rng.uniform(0, 1, size)[: images // 4],
        rng.integers(0, 2, size)[: images // 4],
        rng.standard_normal(size)[: images // 4],
        rng.uniform(float(low) - spread, float(high) + spread, size)[: images - 3 * (images // 4)],
    ]
    few = min(32, max(2, images // 4))
    rows += [_flat(inputs_at_levels(encoding, 4, beside, rng)) for beside in (-1, 0, 1)]
    targets = _rows_as_inputs(dataflow)[:few]
    targets = np.concatenate(
        [targets, 1 - targets, np.zeros_like(targets[:1]), np.ones_like(targets[:1])]
    )
    if isinstance(encoding, IntegerEncoding):
        element = encoding.element
        targets = np.where(targets, element.largest, element.smallest)
    rows.append(_flat(inputs_for(encoding, targets)))
    x: Inputs = np.clip(np.concatenate(rows), -3e38, 3e38).astype(np.float32)
    return encoding.allowed(x.reshape(-1, *encoding.input_shape))


def _rows_as_inputs(dataflow: Dataflow) -> Bits:
    """Bits (MH, F) that match the rows of the first layer; a kernel is repeated over the image.

    In front of a pool a pixel is what the pixel should be into whose window it falls first.
    """
    if isinstance(dataflow.layers[0], LutLayer):
        rng = np.random.default_rng(0)
        return rng.integers(0, 2, (_TABLE_ROWS, dataflow.input.features), np.uint8)
    weights = dataflow.mvus[0].weights
    leading = itertools.takewhile(lambda node: isinstance(node, MaxPool), dataflow.nodes)
    pools = [node for node in leading if isinstance(node, MaxPool)]
    streams = dataflow.streams()
    shape = streams[pools[-1].name].shape if pools else dataflow.input.output_shape
    if len(shape) == 1:
        return weights
    first = dataflow.nodes[len(pools)]
    taps = first.window.kernel if isinstance(first, SlidingWindow) else (1, 1)
    if isinstance(first, Flatten):
        taps = (shape[0], shape[1])
    groups = dataflow.mvus[0].groups
    kernels = weights.reshape(len(weights), *taps, -1)
    times = (1, -(-shape[0] // taps[0]), -(-shape[1] // taps[1]), groups)
    tiled = np.tile(kernels[:32], times)[:, : shape[0], : shape[1]]
    for pool in reversed(pools):
        height, width = streams[dataflow.sources[pool.name][0]].shape[:2]
        (stride, step), (top, left, _, _) = pool.window.stride, pool.window.padding
        rows = np.minimum((np.arange(height) + top) // stride, tiled.shape[1] - 1)
        columns = np.minimum((np.arange(width) + left) // step, tiled.shape[2] - 1)
        tiled = tiled[:, rows[:, None], columns]
    return tiled.reshape(len(tiled), -1)


def _flat(x: Inputs) -> Inputs:
    return x.reshape(len(x), -1)
