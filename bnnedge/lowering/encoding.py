"""The input region as an encoding: found by bisection over the float32 numbers themselves.

Each bit depends on one input element (found by pushing indices through the graph), and every usual
op is monotone also in float32, so each bit flips at most once between the lowest and the highest
float. 33 runs of the original nodes find where, to the last bit. An integer is a staircase of such
steps, which all elements of a channel share.
"""

import dataclasses
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, IntegerEncoding, MaxPool, ThresholdEncoding
from bnnedge.errors import LoweringError, named
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.float_keys import MAX, MAX_KEY, of_key, to_key
from bnnedge.lowering.indexed import Array, IndexedModel
from bnnedge.lowering.layout import VECTORS, Layout, follow
from bnnedge.lowering.sources import sources_of
from bnnedge.lowering.staircase import integers_of
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.thresholds import two_levels
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import window_of

_PROBES = 128
_MOST_STEPS = 1024
MOST_INTEGERS = 256
_CHUNK_ELEMENTS = 1 << 23


_UNQUANTISED = "the first layer's input is neither binarised nor quantised to 8 bits or less"
_QUANTISE = (
    "else quantise it to 8 bits or less (PixelInput, or Brevitas' QuantIdentity), in the same way"
    " everywhere, and binarise the weights"
)


class InputRegion:
    """The nodes from the graph's input to the first layer, as a function of batches.

    Attributes:
        low, high: the two values that the first layer sees; bit 1 stands for `high`.
        scale: where it sees integers, what they are multiplied with,
        offset: and what is added in each channel, float64 (C,); all 0 in front of padding.
    """

    def __init__(self, model: IndexedModel, runner: Runner, structure: Structure) -> None:
        self._model, self._runner, self._structure = model, runner, structure
        self._pools = [window_of(model, pool) for pool in structure.input_pools]
        if structure.input_pools:
            _check_order(model, structure)
        self._shape = tuple(model.shape(structure.source)[1:])
        self._elements = int(np.prod(self._shape))
        where = called(structure.input[-1]) if structure.input else f"input {structure.source}"
        self._where = f"{where}, before {called(structure.layers[0])}"
        kinds = (
            f"{named('input', 'uint8')}, {named('input', 'int8')} or {named('input', 'bipolar')}"
        )
        self._quantise = (
            f"where the data are pixels 0…255, integers or ±1, say {kinds}; {_QUANTISE}"
        )
        self.low, self.high = 0.0, 0.0
        self.scale = np.float32(1)
        self.offset: NDArray[np.float64] = np.zeros(1)

    def probe(self) -> Array:
        """What the first layer sees of random inputs, (N, F)."""
        return self._values(self._random_inputs(np.random.default_rng(0)))

    def encoding(self) -> ThresholdEncoding:
        """Find every bit's source, threshold and direction, and check them.

        Raises:
            LoweringError: a bit mixes elements, or is not a threshold of its element.
        """
        if self._structure.input_pools:
            raise LoweringError(
                f"{called(self._structure.input_pools[0])}: pools in front of a first layer that"
                " sees two values",
                remedy="pool before the data reach the network, or give the first layer integers",
            )
        self.low, self.high = two_levels(self.probe(), self._where)
        source = sources_of(self._model, self._runner, self._structure)
        constant = source < 0
        source = np.where(constant, 0, source)
        group = _rank_among_equals(source)
        low = np.full(len(source), -MAX_KEY)
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
        return self._in_stream_order(encoding)

    def _in_stream_order(self, encoding: ThresholdEncoding) -> ThresholdEncoding:
        """An encoding of what the graph has as (C, H, W), as (H, W, C)."""
        # x < 0 is compared with −0, as −x > 0 is with 0.
        zero = encoding.invert & (encoding.threshold == 0)
        threshold = np.where(zero, np.float32(-0.0), encoding.threshold)
        order, shape = np.arange(encoding.features), encoding.output_shape
        if self._structure.layers[0].op_type == "Conv":
            _, channels, height, width = self._model.shape(self._structure.encoded)
            order = order.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)
            shape = (height, width, channels)
        return dataclasses.replace(
            encoding,
            output_shape=shape,
            source=encoding.source[order],
            threshold=threshold[order],
            invert=encoding.invert[order],
        )

    def integers(self) -> IntegerEncoding:
        """Find the steps of a quantised input, the scale of its values, and check them.

        Raises:
            LoweringError: it is not quantised to 8 bits or less, alike in all places.
        """
        source = sources_of(self._model, self._runner, self._structure)
        entry = self._model.shape(self._structure.encoded)
        first = (*self._structure.input_pools, self._structure.layers[0])[0]
        is_map = first.op_type not in VECTORS
        channels = entry[1] if is_map else 1
        keys, made = self._staircase(channels)
        levels = np.unique(made).astype(np.float64)
        if len(levels) < 2:
            raise LoweringError(
                f"{self._where}: gives one value only",
                remedy="let the first layer see the input",
            )
        padded = self._is_padded()
        found = integers_of(made, padded=padded)
        if found is None:
            self._refuse(levels, made, padded=padded)
        stairs, self.scale, self.offset = found.integers, found.scale, found.offset
        if (source < 0).any() or (np.diff(stairs, axis=0) < 0).any():
            raise LoweringError(f"{self._where}: {_UNQUANTISED}", remedy=self._quantise)
        if (stairs == stairs[:, :1]).all():
            stairs = stairs[:, :1]
        element = _integer_type(int(stairs.min()), int(stairs.max()))
        wanted = np.arange(element.smallest + 1, element.largest + 1)
        taken = np.concatenate([[-np.inf], of_key(keys), [np.inf]]).astype(np.float32)
        steps = np.stack([taken[np.searchsorted(stair, wanted)] for stair in stairs.T])
        stream = source.copy()
        if is_map:
            at = Layout.behind(first, entry).at.reshape(-1)
            shape = (entry[2], entry[3], entry[1])
            stream[at] = source
        encoding = IntegerEncoding(
            name=str(element).lower(),
            input_shape=self._shape,
            output_shape=shape if is_map else (len(source),),
            source=stream.astype(np.int32),
            element=element,
            steps=steps.astype(np.float32),
        )
        self._verify_integers(encoding, keys)
        return encoding

    def _staircase(self, channels: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Where the values change as all elements rise together.

        Returns:
            The key of the first float of every step but the lowest (J,), and the values of all
            steps, (J + 1, channels).
        """
        low, high = np.array([-MAX_KEY]), np.array([MAX_KEY])
        bottom, top = self._constant(low, channels), self._constant(high, channels)
        lowest = bottom
        keys: list[NDArray[np.int64]] = []
        tops: list[NDArray[np.float32]] = []
        while low.size:
            done = high - low == 1
            keys.append(high[done])
            tops.append(top[done])
            low, high, bottom, top = (part[~done] for part in (low, high, bottom, top))
            if len(low) > _MOST_STEPS:
                raise LoweringError(f"{self._where}: {_UNQUANTISED}", remedy=self._quantise)
            middle = low + (high - low) // 2
            at = self._constant(middle, channels)
            left, right = (at != bottom).any(axis=1), (at != top).any(axis=1)
            low, high = np.r_[low[left], middle[right]], np.r_[middle[left], high[right]]
            bottom, top = np.r_[bottom[left], at[right]], np.r_[at[left], top[right]]
        order = np.argsort(np.concatenate(keys))
        return np.concatenate(keys)[order], np.concatenate([lowest, np.concatenate(tops)[order]])

    def _constant(self, keys: NDArray[np.int64], channels: int) -> NDArray[np.float32]:
        """What each channel of the first layer sees (N, channels) if all elements are equal."""
        parts = [np.zeros((0, channels), np.float32)]
        size = max(1, _CHUNK_ELEMENTS // self._elements)
        for start in range(0, len(keys), size):
            part = of_key(keys[start : start + size])
            values = self._values(np.repeat(part[:, None], self._elements, axis=1))
            values = values.reshape(len(part), channels, -1)
            if (values != values[:, :, :1]).any() or not np.isfinite(values).all():
                raise LoweringError(
                    f"{self._where}: {_UNQUANTISED} (its places differ)", remedy=self._quantise
                )
            parts.append(np.asarray(values[:, :, 0], np.float32))
        return np.concatenate(parts)

    def _refuse(
        self, levels: NDArray[np.float64], made: NDArray[np.float32], *, padded: bool
    ) -> NoReturn:
        if all(len(np.unique(channel)) <= MOST_INTEGERS for channel in made.T):
            raise LoweringError(
                f"{self._where}: the first layer sees quantised values from {levels[0]:.6g} to"
                f" {levels[-1]:.6g}, but with an offset"
                f"{' in front of padding' if padded else ''}, or with a scale in each channel;"
                " wanted integers times one scale",
                remedy="leave the normalisation to the BatchNormalization behind the layer, and"
                " give the layer x or x / 255 (PixelInput, or Brevitas' QuantIdentity)",
            )
        raise LoweringError(f"{self._where}: {_UNQUANTISED}", remedy=self._quantise)

    def _is_padded(self) -> bool:
        """Whether a first layer sees zeros around its data."""
        structure = self._structure
        if any(structure.pads[index] is not None for index in structure.first):
            return True
        layers = (structure.layers[index] for index in structure.first)
        return any(
            layer.op_type == "Conv" and any(window_of(self._model, layer).padding)
            for layer in layers
        )

    def places(self) -> NDArray[np.float64]:
        """The offset of each element of what the first layer sees."""
        count = int(np.prod(self._model.shape(self._structure.entry(0))))
        return np.repeat(self.offset, count // len(self.offset))

    def _verify_integers(self, encoding: IntegerEncoding, keys: NDArray[np.int64]) -> None:
        near = np.unique(np.clip(keys[:, None] + np.arange(-2, 3), -MAX_KEY, MAX_KEY))
        rng = np.random.default_rng(1)
        rows = [self._random_inputs(rng), of_key(rng.choice(near, (16, self._elements)))]
        size = max(1, _CHUNK_ELEMENTS // self._elements)
        parts = [of_key(near[i : i + size]) for i in range(0, len(near), size)]
        rows += [np.repeat(part[:, None], self._elements, axis=1) for part in parts]
        for x in rows:
            values = (self._values(x) - self.places()) / np.float64(self.scale)
            values = np.rint(values).astype(np.int64)
            got = encoding.encode(x.reshape(-1, *self._shape))
            for window in self._pools:
                got = MaxPool(name="pool", window=window).run(got)
            got = (np.moveaxis(got, -1, 1) if got.ndim == 4 else got).reshape(values.shape)
            if not np.array_equal(values, got):
                row, place = np.argwhere(values != got)[0]
                of = "the largest input element in a window" if self._pools else "one input element"
                raise LoweringError(
                    f"{self._where}: its value {place} is not a staircase of {of}"
                    f" (wanted {got[row, place]}, got {values[row, place]})",
                    remedy=self._quantise,
                )

    def sign_zeros(self, encoding: ThresholdEncoding) -> dict[str, float]:
        """The Sign nodes that an exact 0 can reach, each with an input value that does it."""
        signs = [node for node in self._structure.input if node.op_type == "Sign"]
        steps = np.unique(to_key(encoding.threshold[np.isfinite(encoding.threshold)]))[:_PROBES]
        values = of_key(np.concatenate([[0], steps, steps - 1]).astype(np.int64))
        x = np.repeat(values[:, None], self._elements, axis=1).reshape(-1, *self._shape)
        made = self._runner.run(self._structure.input, {self._structure.source: x}) if signs else {}
        found = {}
        for node in signs:
            zero = (made[node.input[0]] == 0).reshape(len(x), -1).any(axis=1)
            if zero.any():
                found[called(node)] = float(values[zero.argmax()])
        return found

    def _values(self, x: NDArray[np.float32]) -> Array:
        """Inputs (N, E) → what the first layer sees (N, F)."""
        feeds = {self._structure.source: x.reshape(-1, *self._shape)}
        made = self._runner.run(self._structure.input, feeds)
        return made[self._structure.entry(0)].reshape(len(x), -1)

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
            raise LoweringError(
                f"{self._where}: takes more than two values",
                remedy="put one binariser in front of the first layer, alike for every element",
            )
        return bits

    def _random_inputs(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(N, E): pixels, normal numbers, all magnitudes, and what people feed at the edges."""
        size = (_PROBES // 4, self._elements)
        rows = [
            rng.integers(0, 256, size) / np.float32(255),
            rng.uniform(-1, 1, size),
            rng.standard_normal(size) * 4,
            rng.choice([-1, 1], size) * 2.0 ** rng.uniform(-140, 120, size),
            np.array([-MAX, -1, -0.0, 0, 0.5, 1, 255, MAX])[:, None] * np.ones(self._elements),
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
            x[group, source] = of_key(np.clip(keys + step, -MAX_KEY, MAX_KEY))
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
                f" (see x = {value:.9g})",
                remedy="binarise each element by one comparison, of what only rises or only falls",
            )


def _check_order(model: IndexedModel, structure: Structure) -> None:
    """Maps stay (N, C, H, W) from the first input pool on, but for flattening at the end."""
    runner, pools = Runner(model), structure.input_pools
    layouts: dict[str, Layout] = {}
    for number, pool in enumerate(pools):
        if number and not layouts[pool.input[0]].is_map:
            layouts[pool.input[0]].refuse(pool)
        tensor = pool.output[0]
        start = Layout.behind(pool, model.shape(tensor))
        is_last = number + 1 == len(pools)
        stop = None if is_last else structure.input.index(pools[number + 1])
        nodes = structure.input[structure.input.index(pool) + 1 : stop]
        layouts = follow(start, runner, nodes, tensor)
        if is_last and not np.array_equal(
            layouts[structure.entry(0)].at.reshape(-1), start.at.reshape(-1)
        ):
            raise LoweringError(
                f"{called(pool)}: what it pools is transposed behind it",
                remedy="keep (N, C, H, W) behind pools of the input",
            )


def levels_of_input(model: IndexedModel, structure: Structure) -> int:
    """How many values the first layer sees of random inputs; of what a Sign makes there are 2."""
    if any(node.op_type == "Sign" for node in structure.input):
        return 2
    return len(np.unique(InputRegion(model, Runner(model), structure).probe()))


def is_binarised(model: IndexedModel, structure: Structure) -> bool:
    """Whether the first layer sees bits."""
    return levels_of_input(model, structure) <= 2


def _integer_type(smallest: int, largest: int) -> ElementType:
    if smallest >= 0:
        return ElementType(width_bits=max(1, largest.bit_length()))
    width = max((-smallest - 1).bit_length(), max(0, largest).bit_length()) + 1
    return ElementType(width_bits=width, signed=True)


def _rank_among_equals(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """[7, 7, 3, 7] → [0, 1, 0, 2]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    run_starts = np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values)) - run_starts
    return rank
