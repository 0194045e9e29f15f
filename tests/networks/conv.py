"""A convolutional network that sees pixels."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    MaxPool,
    OutputTable,
    SlidingWindow,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)
from tests.networks.mlp import adversarial_thresholds


def random_conv(*, seed: int = 0) -> Dataflow:
    """8-bit images (7, 6, 2) through every kind of node: windows with all paddings, pools, groups.

    Rows of all ones and all zeros, saturated thresholds and inverted channels all occur.
    """
    rng = np.random.default_rng(seed)

    def weights(mh: int, mw: int) -> NDArray[np.uint8]:
        rows = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
        rows[0], rows[-1] = 1, 0
        return rows

    same = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    inside = same.inside(7, 6).reshape(-1, same.taps)
    border = np.unique(inside, axis=0, return_inverse=True)[1].reshape(7, 6).astype(np.int32)
    return Dataflow(
        name="random_conv",
        input=IntegerEncoding(
            name="uint8",
            input_shape=(2, 7, 6),
            output_shape=(7, 6, 2),
            source=np.arange(84, dtype=np.int32).reshape(2, 7, 6).transpose(1, 2, 0).reshape(-1),
            element=ElementType(width_bits=8),
            steps=np.arange(1, 256, dtype=np.float32)[None],
        ),
        nodes=(
            SlidingWindow(name="window0", window=same),
            IntegerMvu(
                name="mvu0",
                weights=weights(8, 18),
                thresholds=rng.integers(-300, 301, 8).astype(np.int32),
                invert=rng.random(8) < 0.4,
            ),
            SlidingWindow(name="window1", window=same, groups=2),
            XnorMvu(
                name="mvu1",
                weights=weights(6, 36),
                thresholds=np.stack(
                    [adversarial_thresholds(rng, 6, 36) for _ in range(border.max() + 1)]
                ),
                invert=rng.random(6) < 0.4,
                groups=2,
                border=border,
            ),
            MaxPool(
                name="pool1",
                window=Window(kernel=(2, 2), stride=(2, 2), padding=(0, 0, 1, 0)),
                conjunction=rng.random(6) < 0.4,
            ),
            XnorMvu(name="mvu2", weights=weights(5, 6)),
            SumPool(name="pool2", window=Window(kernel=(3, 2))),
            Threshold(
                name="threshold2",
                thresholds=rng.integers(-9, 10, 5).astype(np.int32),
                invert=rng.random(5) < 0.4,
            ),
            Flatten(name="flatten"),
            XnorMvu(name="mvu3", weights=weights(4, 20)),
        ),
        output=OutputTable(
            values=np.tile(np.arange(-20, 21, 2, dtype=np.float32) * np.float32(0.37), (4, 1)),
            classes=False,
            low=-20,
        ),
    )
