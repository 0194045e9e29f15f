"""The input region as a ThresholdEncoding: found by bisection over the float32 numbers themselves.

Each bit depends on one input element (found by pushing indices through the graph), and every usual
op is monotone also in float32, so each bit flips at most once between the lowest and the highest
float. 33 runs of the original nodes find where, to the last bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import ThresholdEncoding
from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import INPUT_ONLY, RESHAPING, Chain, called
from bnnedge.lowering.execute import Runner, Tensors
from bnnedge.lowering.thresholds import two_levels

_MAX = float(np.finfo(np.float32).max)
_CONSTANT = -1.0  # the "index" of an element that does not depend on the input
_PROBES = 128


def to_key(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """float32 → integers in the same order, neighbours one apart; −0 and 0 are both 0."""
    raw = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(raw < 0, -(raw & 0x7FFFFFFF), raw)


_MAX_KEY = int(to_key(np.array([_MAX], np.float32))[0])


def of_key(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inverse of `to_key`."""
    raw = np.where(keys < 0, -keys | 0x80000000, keys).astype(np.uint32)
    floats: NDArray[np.float32] = raw.view(np.float32)
    return floats


class InputRegion:
    """The nodes from the graph's input to the first layer, as a function of batches.

    Attributes:
        low, high: the two values that the first layer sees; bit 1 stands for `high`.
    """

    def __init__(self, model: ModelWrapper, runner: Runner, chain: Chain) -> None:
        self._model, self._runner, self._chain = model, runner, chain
        self._shape = tuple(model.get_tensor_shape(chain.source)[1:])
        self._elements = int(np.prod(self._shape))
        self._where = called(chain.input[-1]) if chain.input else f"input {chain.source}"
        probes = self._random_inputs(np.random.default_rng(0))
        self.low, self.high = two_levels(
            self._values(probes), f"{self._where}, before {called(chain.layers[0])}"
        )

    def encoding(self) -> ThresholdEncoding:
        """Find every bit's source, threshold and direction, and check them.

        Raises:
            LoweringError: a bit mixes elements, or is not a threshold of its element.
        """
        source = self._sources()
        constant = source < 0
        source = np.where(constant, 0, source)
        group = _rank_among_equals(source)
        low = np.full(len(source), -_MAX_KEY)
        high = -low
        at_low, at_high = self._bits(source, group, low), self._bits(source, group, high)
        constant |= at_low == at_high
        while (high - low).max() > 1:
            middle = low + (high - low) // 2
            is_high = self._bits(source, group, middle) == at_high
            high = np.where(is_high, middle, high)
            low = np.where(is_high, low, middle)
        threshold = np.where(constant, np.float32(-np.inf), of_key(high))
        invert = np.where(constant, ~at_high, at_low)
        encoding = ThresholdEncoding(
            name="thermometer" if group.max() else "threshold",
            input_shape=self._shape,
            output_shape=(len(source),),
            source=source.astype(np.int32),
            threshold=threshold.astype(np.float32),
            invert=invert,
        )
        self._verify(encoding, source, group, high)
        return encoding

    def sign_zeros(self, encoding: ThresholdEncoding) -> dict[str, float]:
        """The Sign nodes that an exact 0 can reach, each with an input value that does it."""
        signs = [node for node in self._chain.input if node.op_type == "Sign"]
        steps = np.unique(to_key(encoding.threshold[np.isfinite(encoding.threshold)]))[:_PROBES]
        values = of_key(np.concatenate([[0], steps, steps - 1]).astype(np.int64))
        x = np.repeat(values[:, None], self._elements, axis=1).reshape(-1, *self._shape)
        made = self._runner.run(self._chain.input, {self._chain.source: x}) if signs else {}
        found = {}
        for node in signs:
            zero = (made[node.input[0]] == 0).reshape(len(x), -1).any(axis=1)
            if zero.any():
                found[called(node)] = float(values[zero.argmax()])
        return found

    def _values(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Inputs (N, E) → what the first layer sees (N, F)."""
        feeds = {self._chain.source: x.reshape(-1, *self._shape)}
        made = self._runner.run(self._chain.input, feeds)
        return made[self._chain.layers[0].input[0]].reshape(len(x), -1)

    def _bits(
        self, source: NDArray[np.int64], group: NDArray[np.int64], keys: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Bit j at the float `keys[j]` of its own element, for all j at once.

        Bits of the same element need different values of it: they go in different rows.
        """
        x = np.zeros((int(group.max()) + 1, self._elements), np.float32)
        x[group, source] = of_key(keys)
        values = self._values(x)[group, np.arange(len(source))]
        bits: NDArray[np.bool_] = values == np.float32(self.high)
        if not (bits | (values == np.float32(self.low))).all():
            raise LoweringError(f"{self._where}: takes more than two values")
        return bits

    def _sources(self) -> NDArray[np.int64]:
        """For each bit the flat index of the input element that it depends on, or −1."""
        shape = self._model.get_tensor_shape(self._chain.source)
        at: Tensors = {
            self._chain.source: np.arange(self._elements, dtype=np.float32).reshape(shape)
        }
        for node in self._chain.input:
            if node.op_type in RESHAPING | INPUT_ONLY:
                feeds = {name: at[name] for name in node.input if name in at}
                if node.op_type == "Concat":
                    at[node.output[0]] = self._concatenate(node, feeds)
                    continue
                made = self._runner.run([node], feeds)
                at |= {name: made[name] for name in node.output}
            else:
                out = self._model.get_tensor_shape(node.output[0])
                if out is None or out[0] != 1:
                    raise LoweringError(f"{called(node)}: mixes the images of a batch")
                given = [np.broadcast_to(at[name], out) for name in node.input if name in at]
                merged = np.maximum.reduce(given)
                if any(((part != merged) & (part != _CONSTANT)).any() for part in given):
                    raise LoweringError(f"{called(node)}: mixes elements of the input")
                at[node.output[0]] = merged
        bits = at[self._chain.layers[0].input[0]]
        return bits.reshape(-1).astype(np.int64)

    def _concatenate(self, node: Any, given: Tensors) -> NDArray[Any]:
        """Indices of a Concat; constants that it joins in depend on no input."""
        parts = [
            given[name]
            if name in given
            else np.full(self._model.get_initializer(name).shape, _CONSTANT, np.float32)
            for name in node.input
        ]
        axis = next(int(attribute.i) for attribute in node.attribute if attribute.name == "axis")
        return np.concatenate(parts, axis=axis)

    def _random_inputs(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(N, E): pixels, normal numbers, all magnitudes, and what people feed at the edges."""
        size = (_PROBES // 4, self._elements)
        rows = [
            rng.integers(0, 256, size) / np.float32(255),
            rng.uniform(-1, 1, size),
            rng.standard_normal(size) * 4,
            rng.choice([-1, 1], size) * 2.0 ** rng.uniform(-140, 120, size),
            np.array([-_MAX, -1, -0.0, 0, 0.5, 1, 255, _MAX])[:, None] * np.ones(self._elements),
        ]
        return np.concatenate(rows).astype(np.float32)

    def _verify(
        self,
        encoding: ThresholdEncoding,
        source: NDArray[np.int64],
        group: NDArray[np.int64],
        keys: NDArray[np.int64],
    ) -> None:
        """The encoding against the original nodes, around every threshold and at random."""
        rows = [self._random_inputs(np.random.default_rng(1))]
        for step in (-2, -1, 0, 1, 2):
            x = np.zeros((int(group.max()) + 1, self._elements), np.float32)
            x[group, source] = of_key(np.clip(keys + step, -_MAX_KEY, _MAX_KEY))
            rows.append(x)
        x = np.concatenate(rows)
        x = x[np.isfinite(x).all(axis=1)]
        wanted = self._values(x) == np.float32(self.high)
        got = encoding.encode(x.reshape(-1, *self._shape)).astype(bool)
        if not np.array_equal(wanted, got):
            row, bit = np.argwhere(wanted != got)[0]
            value = x[row, source[bit]]
            raise LoweringError(
                f"{self._where}: bit {bit} is not one threshold of input element {source[bit]}"
                f" (see x = {value:.9g})"
            )


def _rank_among_equals(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """[7, 7, 3, 7] → [0, 1, 0, 2]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    run_starts = np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values)) - run_starts
    return rank
