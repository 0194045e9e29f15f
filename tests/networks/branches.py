"""Random networks whose streams branch and meet, as Dataflows."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    INPUT,
    Add,
    Concat,
    Crop,
    Dataflow,
    ElementType,
    IntegerEncoding,
    MultiThreshold,
    Node,
    PadChannels,
    SlidingWindow,
    Threshold,
    ThresholdEncoding,
    Window,
)
from bnnedge.equality import stimuli
from bnnedge.hardware.kernels import divisors
from tests.networks.chains import (
    ChainMaker,
    bit_encoding,
    pixel_encoding,
    random_pool,
    random_window,
)

_MOST_READERS = 4
_MOST_CHANNELS = 16
_MOST_BITS = 8  # of the elements of a stream that goes on
_SAMPLES = 12
_SAME = Window(kernel=(3, 3), padding=(1, 1, 1, 1))


class BranchMaker(ChainMaker):
    """Appends nodes behind any stream; thresholds are among the values that come there."""

    def __init__(self, seed: int, encoding: IntegerEncoding | ThresholdEncoding) -> None:
        super().__init__(seed, encoding)
        self.readers: Counter[str] = Counter()
        stream = encoding.stream
        bits = stream.element.bipolar
        low, high = (0, 1) if bits else (stream.element.smallest, stream.element.largest)
        samples = self.rng.integers(low, high, (_SAMPLES, *stream.shape), endpoint=True)
        self._values: dict[str, NDArray[Any]] = {
            INPUT: samples.astype(np.uint8 if bits else np.int32)
        }

    def add(self, node: Node, *reads: str) -> None:
        names = reads or (self.at,)
        super().add(node, *names)
        self.readers.update(names)
        self._values[node.name] = node.run(*(self._values[name] for name in names))

    @property
    def unread(self) -> list[str]:
        return [name for name in self.streams if not self.readers[name]]

    @property
    def bits(self) -> bool:
        return self.stream.element.bipolar

    def threshold(self) -> None:
        channels = self.stream.channels
        self.add(
            Threshold(
                name=f"threshold{len(self.nodes)}",
                thresholds=self._common(1)[:, 0],
                invert=self.rng.random(channels) < 0.4,
            )
        )

    def quantise(self, most_bits: int = 8) -> None:
        """Codes of 1 bit up, of thresholds per channel, or the same ones for all."""
        rng, channels = self.rng, self.stream.channels
        bits = min(int(rng.choice([1, 2, 3, 4, 4, 5, 6, 8])), most_bits)
        most = (1 << bits) - 1
        levels = most if rng.random() < 0.6 else int(rng.integers(1, most, endpoint=True))
        low = -(1 << (bits - 1)) + int(rng.integers(0, most - levels, endpoint=True))
        thresholds = self._common(levels)
        shared = rng.random() < 0.4
        self.add(
            MultiThreshold(
                name=f"codes{len(self.nodes)}",
                thresholds=np.tile(thresholds[:1], (channels, 1)) if shared else thresholds,
                invert=rng.random(channels) < (0.0 if shared else 0.4),
                low=low,
            )
        )

    def _common(self, levels: int) -> NDArray[np.int64]:
        """Thresholds (C, levels) of the current stream, ascending, between which values lie."""
        values = self._values[self.at]
        columns = values.reshape(-1, self.stream.channels).astype(np.int64)
        drawn = self.rng.choice(columns, levels).T + self.rng.integers(0, 2, (1, levels))
        return np.sort(drawn, axis=1)

    def pixels(self, stride: tuple[int, int]) -> None:
        """Some of the pixels as they are."""
        window = Window(kernel=(1, 1), stride=stride)
        self.add(SlidingWindow(name=f"pixels{len(self.nodes)}", window=window))

    def crop(self, top: int, left: int) -> None:
        self.add(Crop(name=f"crop{len(self.nodes)}", top=top, left=left))

    def pad(self, channels: int) -> None:
        """Zeros on either side or on one, `channels` in all."""
        before = int(self.rng.integers(0, channels, endpoint=True))
        self.add(
            PadChannels(name=f"zeros{len(self.nodes)}", before=before, after=channels - before)
        )

    def narrow(self) -> None:
        """Elements and channels of which a network can have more."""
        if self.stream.channels > _MOST_CHANNELS:
            self.matrix(int(self.rng.integers(2, 7)), thresholded=bool(self.rng.random() < 0.3))
        if self.stream.element.width_bits > _MOST_BITS:
            self.threshold() if self.rng.random() < 0.3 else self.quantise()

    def grow(self) -> None:
        """One or two nodes behind `at`."""
        rng, shape = self.rng, self.stream.shape
        signed, integers = self.stream.element.signed, not self.bits
        ways = ["matrix", "flatten"]
        if len(shape) == 3:
            ways = (
                ["conv"] * 3 + ["depthwise", "matrix", "pool"] + ["flatten"] * (rng.random() < 0.2)
            )
            ways += ["pixels", "crop"] if min(shape[:2]) > 2 else []
        if integers:
            ways += ["threshold", "pad"] + ["quantise"] * 2 * signed
        match str(rng.choice(ways)):
            case "conv":
                self._any_conv(int(rng.choice([g for g in divisors(shape[2]) if g <= 4])))
            case "depthwise":
                self._any_conv(shape[2])
            case "matrix":
                self.matrix(int(rng.integers(1, 7)), thresholded=bool(rng.random() < 0.3))
            case "pool":
                window = random_pool(rng, self.stream)
                summed = signed and rng.random() < 0.5
                self.sum_pool(window) if summed else self.max_pool(window)
            case "pixels":
                self.pixels((int(rng.integers(1, 3)), 2))
            case "crop":
                self.crop(int(rng.integers(0, 2)), int(rng.integers(0, 2)))
            case "flatten":
                self.flatten()
            case "pad":
                self.pad(int(rng.integers(1, 4)))
            case "threshold":
                self.threshold()
            case "quantise":
                self.quantise()
        self.narrow()

    def _any_conv(self, groups: int) -> None:
        rng = self.rng
        window = _SAME if rng.random() < 0.5 else random_window(rng, self.stream)
        self.conv(
            groups * int(rng.integers(1, 1 + max(1, 6 // groups), endpoint=True)),
            window,
            groups=groups,
            fill=int(rng.integers(0, 2)) if self.stream.element.largest else 0,
            exact_zeros=self.bits and bool(rng.random() < 0.4),
            thresholded=bool(rng.random() < 0.3),
        )

    def join(self, first: str, second: str) -> None:
        """A sum of two streams, or both side by side, once they have a form in which they can."""
        rng = self.rng
        summed = rng.random() < 0.6
        first, second = self._as_large(first, second)
        kinds = [self.streams[name].element.bipolar for name in (first, second)]
        if summed:
            first, second = self._as_many(first, second)
            factors = [int(n) for n in rng.choice([1, 1, 1, -1, 2, 3, -2, 4], 2)]
            if first == second and sum(factors) == 0:
                factors[0] += factors[0]
            name = f"add{len(self.nodes)}"
            self.add(Add(name=name, factors=(factors[0], factors[1])), first, second)
        else:
            if kinds[0] != kinds[1]:
                to_bits = rng.random() < 0.5
                first, second = (
                    self._as_kind(name, bits=bool(to_bits)) for name in (first, second)
                )
            self.add(Concat(name=f"concat{len(self.nodes)}"), first, second)
        self.narrow()

    def _as_large(self, *names: str) -> tuple[str, str]:
        """Both as vectors, or both with the rows and columns of the smaller one."""
        shapes = [self.streams[name].shape for name in names]
        done = []
        for name, shape in zip(names, shapes, strict=True):
            self.at = name
            if {len(s) for s in shapes} == {1, 3} and len(shape) == 3:
                self.flatten()
            elif len(shape) == 3 and shape[:2] != (
                wanted := tuple(min(s[side] for s in shapes) for side in (0, 1))
            ):
                self.crop(shape[0] - wanted[0], shape[1] - wanted[1])
            done.append(self.at)
        return done[0], done[1]

    def _as_many(self, *names: str) -> tuple[str, str]:
        """Both with the channels of the one that has more."""
        wanted = max(self.streams[name].channels for name in names)
        done = []
        for name in names:
            self.at = name
            if (missing := wanted - self.stream.channels) > 0:
                if self.bits:
                    self.matrix(wanted, thresholded=bool(self.rng.random() < 0.3))
                else:
                    self.pad(missing)
            done.append(self.at)
        return done[0], done[1]

    def _as_kind(self, name: str, *, bits: bool) -> str:
        self.at = name
        if self.bits and not bits:
            self.matrix(int(self.rng.integers(1, 5)), thresholded=False)
        elif bits and not self.bits:
            self.threshold()
        return self.at


def random_branches(seed: int) -> Dataflow:
    """Forks of two to four readers, branches that nest and cross, sums and joins; a last layer.

    What would give the same results for most images is not taken.
    """
    attempts = (_attempt(1000 * seed + number) for number in itertools.count())
    return next(one for one in attempts if _tells_apart(one))


def _tells_apart(dataflow: Dataflow) -> bool:
    results = dataflow.results_of(stimuli(dataflow, 12, seed=1))
    return len(np.unique(results, axis=0)) >= 5


def _attempt(seed: int) -> Dataflow:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(4, 9)), int(rng.integers(4, 9)), int(rng.choice([1, 2, 3, 4])))
    elements = [
        ElementType(width_bits=8),
        ElementType(width_bits=3),
        ElementType(width_bits=4, signed=True),
    ]
    maker = BranchMaker(
        seed,
        bit_encoding(shape)
        if rng.random() < 0.3
        else pixel_encoding(shape, elements[int(rng.integers(3))]),
    )
    for _ in range(int(rng.integers(3, 10))):
        first, second = (_open_stream(maker) for _ in range(2))
        if (first != second and rng.random() < 0.3) or rng.random() < 0.05:
            maker.join(first, second)
        else:
            maker.at = first
            maker.grow()
    while len(maker.unread) > 1:
        pair = maker.rng.choice(maker.unread, 2, replace=False)
        maker.join(str(pair[0]), str(pair[1]))
    maker.at = maker.unread[0]
    if not any(isinstance(node, Add | Concat) for node in maker.nodes):
        maker.join(maker.at, _open_stream(maker))
        maker.at = maker.unread[0]
    _end(maker)
    return maker.finish(classes=bool(rng.random() < 0.5))


def _open_stream(maker: BranchMaker) -> str:
    """One that can have another reader; one that has none yet or is deep in is likelier."""
    names = [name for name in maker.streams if maker.readers[name] < _MOST_READERS]
    weights = np.array([1.0 + (maker.readers[name] == 0) for name in names])
    weights *= np.linspace(0.5, 2.0, len(names))
    return str(maker.rng.choice(names, p=weights / weights.sum()))


def _end(maker: BranchMaker) -> None:
    """A last layer, on a vector or on the pixels of a map that are then summed."""
    rng = maker.rng
    if maker.stream.element.width_bits > 5:
        maker.threshold() if rng.random() < 0.3 else maker.quantise(4)
    if len(maker.stream.shape) == 3 and rng.random() < 0.5:
        maker.matrix(int(rng.integers(3, 8)), thresholded=False)
        maker.sum_pool(Window(kernel=maker.stream.shape[:2]))
        maker.flatten()
        return
    if len(maker.stream.shape) == 3:
        maker.flatten()
    maker.matrix(int(rng.integers(3, 8)), thresholded=False)


def one_residual(width: int) -> Dataflow:
    """Codes of a pixel each, which are added to a convolution of them."""
    element = ElementType(width_bits=4, signed=True)
    maker = BranchMaker(1, pixel_encoding((4, width, 1), element))
    maker.matrix(1, thresholded=False)
    maker.quantise()
    shortcut = maker.at
    maker.conv(1, _SAME, thresholded=False)
    maker.add(Add(name="sum"), maker.at, shortcut)
    maker.flatten()
    maker.matrix(3, thresholded=False)
    return maker.finish(classes=False)
