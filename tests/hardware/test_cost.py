"""What kernels are predicted to cost is what Yosys makes of them."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import IntegerMvu, MaxPool, Stream, Window, XnorMvu
from bnnedge.dataflow.streams import signed_type
from bnnedge.families import REFERENCE
from bnnedge.hardware.kernels import (
    Fold,
    IntegerMvuKernel,
    Kernel,
    PoolWindowKernel,
    StreamFifoKernel,
    TopKKernel,
    XnorMvuKernel,
)
from tests.hardware.test_mvu import UINT8
from tests.hardware.test_synthesis import cells, scores, window

PRICES = REFERENCE.prices


def random_mvu(rows: int, columns: int) -> XnorMvu:
    """Random weights, thresholds around the middle."""
    rng = np.random.default_rng(rows)
    return XnorMvu(
        name="mvu",
        weights=rng.integers(0, 2, (rows, columns), dtype=np.uint8),
        thresholds=columns // 2 + rng.integers(-9, 10, rows),
        invert=rng.random(rows) < 0.5,
    )


def random_integers(rows: int, columns: int) -> IntegerMvu:
    """The same for integers."""
    rng = np.random.default_rng(rows)
    return IntegerMvu(
        name="mvu",
        weights=rng.integers(0, 2, (rows, columns), dtype=np.uint8),
        thresholds=rng.integers(-999, 1000, rows),
        invert=rng.random(rows) < 0.5,
    )


def wide_pool(stride: int) -> Kernel:
    """The largest of 2x2 integers of 12 bits, 8 channels at a time."""
    node = MaxPool(name="pool", window=Window(kernel=(2, 2), stride=(stride, stride)))
    stream = Stream(shape=(14, 14, 32), element=signed_type(2047))
    return PoolWindowKernel.of(node, [stream], Fold(pe=8, simd=8))


@pytest.mark.parametrize(
    ("words", "bits", "blocks"),
    [(50000, 8, 22), (32768, 4, 8), (3072, 12, 2), (81920, 1, 5), (16, 256, 8), (200000, 2, 22)],
)
def test_block_memory(words: int, bits: int, blocks: int) -> None:
    """What Yosys takes for these memories."""
    assert PRICES.block_memory(words, bits).block_rams == blocks


def test_yosys_takes_the_cheaper_memory() -> None:
    assert PRICES.ram(192, 1) == PRICES.lut_ram(192, 1)
    assert PRICES.ram(400, 2) == PRICES.block_memory(400, 2)
    assert PRICES.ram(2, 4).block_rams == 0


def test_constants_have_no_more_columns_than_contents() -> None:
    assert PRICES.lut_rom(4, 4096) == PRICES.lut_rom(4, 16)
    assert PRICES.lut_rom(2, 4096).combs == 0


def check_prediction(kernel: Kernel, folder: Path) -> None:
    """A single kernel within a fifth, block RAM exact."""
    count = cells(kernel, folder)
    combs = count.get("LUT4", 0) + 2 * count.get("CCU2C", 0) + 6 * count.get("TRELLIS_DPR16X4", 0)
    cost = kernel.cost(PRICES)
    assert cost.combs == pytest.approx(combs, rel=0.2)
    assert cost.block_rams == count.get("DP16KD", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel",
    [
        window((30, 30, 64), 32),
        window((8, 8, 192), 3),
        XnorMvuKernel(node=random_mvu(64, 576), pe=4, simd=48, pixels=4),
        XnorMvuKernel(node=random_mvu(256, 256), pe=8, simd=32),
        IntegerMvuKernel(node=random_integers(64, 27), element=UINT8, pe=8, simd=9),
        scores(512, 2),
        wide_pool(2),
        wide_pool(1),
        TopKKernel(elements=10, k=5, element_bits=8),
        TopKKernel(elements=1000, k=3, element_bits=14),
        StreamFifoKernel(width_bits=3, depth_words=64, image_words=64),
    ],
    ids=lambda kernel: kernel.module,
)
def test_prediction(kernel: Kernel, tmp_path: Path) -> None:
    check_prediction(kernel, tmp_path)
