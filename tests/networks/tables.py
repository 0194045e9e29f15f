"""Networks with integer inputs, and output tables of every kind."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    ArgMax,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    OutputTable,
    SumPool,
    Window,
    XnorMvu,
)
from tests.networks.conv import random_conv

INPUT_SHAPE = (2, 3, 3)
FEATURES = 18


def integers(width_bits: int, *, signed: bool = False) -> ElementType:
    return ElementType(width_bits=width_bits, signed=signed)


def encoding(element: ElementType, *, rows: int = 1, seed: int = 0) -> IntegerEncoding:
    """Channels first → channels last, every row of steps with a scale and an offset of its own.

    In a second row some steps coincide, the first is always taken and the last never.
    """
    random = np.random.default_rng(seed)
    scale = random.uniform(0.3, 2, (rows, 1))
    steps = (np.arange(element.smallest + 1, element.largest + 1) - 0.5) * scale
    steps += random.uniform(-1, 1, (rows, 1))
    if rows > 1:
        steps[1, [0, -1]], steps[1, 4] = [-np.inf, np.inf], steps[1, 3]
    source = np.arange(FEATURES).reshape(INPUT_SHAPE).transpose(1, 2, 0).reshape(-1)
    return IntegerEncoding(
        name=str(element).lower(),
        input_shape=INPUT_SHAPE,
        output_shape=(3, 3, 2),
        source=source.astype(np.int32),
        element=element,
        steps=steps.astype(np.float32),
    )


def integer_mlp(element: ElementType, *, rows: int = 1, seed: int = 0) -> Dataflow:
    """`element` inputs (2, 3, 3) → 8 bits → accumulators of 3 classes."""
    random = np.random.default_rng(seed)
    reach = FEATURES * max(-element.smallest, element.largest)
    first = IntegerMvu(
        name="mvu0",
        weights=random.integers(0, 2, (8, FEATURES), dtype=np.uint8),
        thresholds=random.integers(-reach // 6, reach // 6 + 1, 8).astype(np.int32),
        invert=random.random(8) < 0.4,
    )
    last = XnorMvu(name="mvu1", weights=random.integers(0, 2, (3, 8), dtype=np.uint8))
    return Dataflow(
        name="integer_mlp",
        input=encoding(element, rows=rows, seed=seed),
        nodes=(Flatten(name="flatten"), first, last),
        output=_table(classes=3, reach=8, step=2, seed=seed),
    )


def sums_of_integers(*, classes: bool = False, seed: int = 0) -> Dataflow:
    """One layer: signed 4-bit inputs → sums that lie 1 apart; `classes`: the host finds them."""
    random = np.random.default_rng(seed)
    mvu = IntegerMvu(name="mvu0", weights=random.integers(0, 2, (5, FEATURES), dtype=np.uint8))
    output = _table(classes=5, reach=FEATURES * 8, step=1, seed=seed)
    return Dataflow(
        name="sums_of_integers",
        input=encoding(integers(4, signed=True), rows=2, seed=seed),
        nodes=(Flatten(name="flatten"), mvu),
        output=dataclasses.replace(output, classes=classes),
    )


def pooled_sums(*, hardware_classes: int = 0, seed: int = 0) -> Dataflow:
    """Pixels (2, 7, 6) through convolutions to sums over a map of 12 pixels, up to 72 = 12 · MW.

    `hardware_classes`: so many are found in hardware.
    """
    conv = random_conv(seed=seed)
    body = conv.nodes[: [type(node) for node in conv.nodes].index(SumPool)]
    tail = (SumPool(name="pool", window=Window(kernel=(4, 3))), Flatten(name="flatten"))
    row = np.arange(-72, 73, 2, dtype=np.float32) * np.float32(0.37) + np.float32(0.1)
    k = hardware_classes or 1
    end = (ArgMax(name="argmax", k=k),) if hardware_classes else ()
    return dataclasses.replace(
        conv,
        name="pooled_sums",
        nodes=(*body, *tail, *end),
        output=OutputTable(values=np.tile(row, (5, 1)), classes=bool(end), low=-72, k=k),
    )


def real_inputs(dataflow: Dataflow, count: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Inputs (count, *input_shape) within, between, right at, below and far beyond all steps."""
    assert isinstance(dataflow.input, IntegerEncoding)
    random = np.random.default_rng(seed)
    steps = dataflow.input.steps[np.isfinite(dataflow.input.steps)].astype(np.float64)
    shape = (count, *dataflow.input.input_shape)
    inputs = random.uniform(steps.min() - 2, steps.max() + 2, shape)
    whole, exact, far = (random.random(shape) < share for share in (0.4, 0.3, 0.1))
    inputs[whole] = np.rint(inputs[whole])
    inputs[exact] = random.choice(steps, exact.sum())
    inputs[far] = random.choice([-np.inf, -1e30, -0.0, 1e30, np.inf], far.sum())
    return inputs


def _table(*, classes: int, reach: int, step: int, seed: int) -> OutputTable:
    """Floats that no formula gives, so that a column looked up wrongly shows."""
    values = np.random.default_rng(seed).normal(size=(classes, 2 * reach // step + 1))
    return OutputTable(values=values.astype(np.float32), classes=False, low=-reach, step=step)
