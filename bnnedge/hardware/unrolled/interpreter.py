"""The interpreter of a `Graph`: what it computes, on many inputs at once."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.encoding import Bits
from bnnedge.hardware.unrolled.graph import (
    FALSE,
    TRUE,
    Adder,
    Graph,
    Input,
    Literal,
    Lut,
    Register,
    SumBit,
)

_WORD_BITS = 64


def run(graph: Graph, bits: Bits) -> Bits:
    """Bits (N, inputs) → bits (N, outputs), whatever the cycle."""
    pad = -len(bits) % _WORD_BITS
    packed = np.packbits(np.pad(bits, ((0, pad), (0, 0))), axis=0, bitorder="little")
    words = np.ascontiguousarray(packed.T).view(np.uint64)
    values: list[NDArray[np.uint64]] = []
    sums: dict[int, list[NDArray[np.uint64]]] = {}

    def of(literal: Literal) -> NDArray[np.uint64]:
        return ~values[literal >> 1] if literal & 1 else values[literal >> 1]

    for cell in graph.cells:
        match cell:
            case Input(-1):
                values.append(np.zeros_like(words[0]))
            case Input(index):
                values.append(words[index])
            case Register(signal, _):
                values.append(values[signal])
            case Lut(table, signals):
                values.append(_looked_up(table, [values[signal] for signal in signals]))
            case SumBit(number, bit):
                if number not in sums:
                    sums[number] = _summed(graph.adders[number], of)
                values.append(sums[number][bit])
    out = np.stack([of(literal) for literal in graph.outputs]).view(np.uint8)
    return np.unpackbits(out, axis=1, count=len(bits), bitorder="little").T


def _looked_up(table: int, inputs: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Bitwise lookups: a tree of multiplexers, the last input at its root."""
    *rest, last = inputs
    size = 1 << len(rest)
    low, high = table & ((1 << size) - 1), table >> size
    if not rest:
        zero = np.zeros_like(last)
        return (last if high else zero) | (~last if low else zero)
    if low == high:
        return _looked_up(low, rest)
    return (_looked_up(high, rest) & last) | (_looked_up(low, rest) & ~last)


def _summed(adder: Adder, of: Callable[[Literal], NDArray[np.uint64]]) -> list[NDArray[np.uint64]]:
    """Bitwise sums, the lowest bit first."""
    a, b, carry = [*map(of, adder.a)], [*map(of, adder.b)], of(adder.carry)
    if adder.leaf:
        return _counted(*a, *b, carry)
    total = _added(a, b, carry)
    if adder.constant is None:
        return total
    constant = [of(TRUE if adder.constant >> bit & 1 else FALSE) for bit in range(len(a))]
    return _added(total[:-1], constant, of(FALSE))[:-1]


def _counted(*bits: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """How many of five bits are set, the lowest bit first."""
    a, b, c, d, e = bits
    low, first = _added([a], [b], c)
    one, second = _added([d], [e], low)
    return [one, first ^ second, first & second]


def _added(
    a: Sequence[NDArray[np.uint64]], b: Sequence[NDArray[np.uint64]], carry: NDArray[np.uint64]
) -> list[NDArray[np.uint64]]:
    """Bitwise sums, the lowest bit first, then the carry."""
    sums = []
    for x, y in zip(a, b, strict=True):
        sums.append(x ^ y ^ carry)
        carry = (x & y) | (carry & (x ^ y))
    return [*sums, carry]
