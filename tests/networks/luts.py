"""Random tables of bits, adversarial ones among them."""

from typing import Any

import numpy as np

from bnnedge.dataflow import ArgMax, Dataflow, Flatten, LutLayer, OutputTable, XnorMvu
from tests.networks.chains import ChainMaker, bit_encoding


def random_luts(rng: np.random.Generator, name: str, channels: int, tables: int) -> LutLayer:
    """Tables of 1 to 8 inputs: constant and equal ones, wires used twice, channels not used."""
    fan_in = int(rng.integers(1, 9))
    wiring = rng.integers(0, int(rng.integers(1, channels + 1)), (tables, fan_in))
    contents = rng.integers(0, 2, (tables, 1 << fan_in), dtype=np.uint8)
    kinds = rng.integers(0, 8, tables)
    contents[kinds == 0] = 0
    contents[kinds == 1] = 1
    wiring[kinds == 2, 0] = wiring[kinds == 2, -1]
    contents[kinds == 3], wiring[kinds == 3] = contents[0], wiring[0]
    return LutLayer(name=name, wiring=wiring, tables=contents)


def lut_network(
    seed: int, *, shape: tuple[int, ...] = (70,), layers: int = 2, classes: int = 5, each: int = 13
) -> Dataflow:
    """Bits of `shape` through tables, and ones counted, `each` outputs a class."""
    rng = np.random.default_rng(seed)
    maker = ChainMaker(seed, bit_encoding(shape))  # type: ignore[arg-type]
    for number in range(layers):
        last = number == layers - 1
        if last and len(maker.stream.shape) > 1:
            maker.add(Flatten(name="flatten"))
        width = classes * each if last else int(rng.integers(1, 300))
        maker.add(random_luts(rng, f"lut{number}", maker.stream.channels, width))
    ones = np.ones((classes, each), np.uint8)
    maker.add(XnorMvu(name="count", weights=ones, groups=classes))
    maker.add(ArgMax(name="top"))
    values = np.tile(np.arange(-each, each + 1, 2, dtype=np.float32), (classes, 1))
    return Dataflow(
        name="luts",
        input=maker.encoding,
        nodes=tuple(maker.nodes),
        output=OutputTable(values=values, classes=True, low=-each),
    )


def looked_up(node: LutLayer, bits: Any) -> np.ndarray:
    """What a `LutLayer` says that it is, table by table."""
    powers = 1 << np.arange(node.fan_in)
    index = (bits[..., node.wiring].astype(np.int64) * powers).sum(axis=-1)
    return node.tables[np.arange(len(node.tables)), index]
