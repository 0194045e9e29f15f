"""Random chains of convolutions, pools and dense layers, as Dataflows with a folding."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    INPUT,
    ArgMax,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    MaxPool,
    MultiThreshold,
    Node,
    OutputTable,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    ThresholdEncoding,
    Window,
    XnorMvu,
)
from bnnedge.hardware.folding import Fold, Folding, layers_of
from bnnedge.hardware.kernels import divisors
from tests.networks.mlp import adversarial_thresholds, masked_thresholds, random_magnitudes

_MOST_CYCLES = 4000


def pixel_encoding(shape: tuple[int, int, int], element: ElementType) -> IntegerEncoding:
    """Integers (C, H, W) as they are."""
    height, width, channels = shape
    source = np.arange(height * width * channels).reshape(channels, height, width)
    return IntegerEncoding(
        name=str(element).lower(),
        input_shape=(channels, height, width),
        output_shape=shape,
        source=source.transpose(1, 2, 0).reshape(-1),
        element=element,
        steps=np.arange(element.smallest + 1, element.largest + 1, dtype=np.float32)[None],
    )


def bit_encoding(shape: tuple[int, int, int]) -> ThresholdEncoding:
    """Signs of reals (H, W, C)."""
    features = int(np.prod(shape))
    return ThresholdEncoding(
        name="sign",
        input_shape=shape,
        output_shape=shape,
        source=np.arange(features),
        threshold=np.zeros(features),
        invert=np.zeros(features, np.bool_),
    )


class ChainMaker:
    """Appends nodes with adversarial weights and thresholds, behind the one called `at`.

    That is the last one, unless `at` is set to another or a node is told what it reads. With
    `magnitudes` about half of the matrices have some, up to that on integers and 1 on bits.
    """

    def __init__(
        self, seed: int, encoding: IntegerEncoding | ThresholdEncoding, *, magnitudes: int = 0
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.most = magnitudes
        self.encoding = encoding
        self.nodes: list[Node] = []
        self.streams = {INPUT: encoding.stream}
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.at = INPUT

    @property
    def stream(self) -> Stream:
        """What the next node reads."""
        return self.streams[self.at]

    def add(self, node: Node, *reads: str) -> None:
        """Append `node`, which reads the nodes `reads`; that is `at` where none are given."""
        names = reads or (self.at,)
        if names != (self.nodes[-1].name if self.nodes else INPUT,):
            self.inputs[node.name] = names
        self.nodes.append(node)
        self.streams[node.name] = node.output_stream(*(self.streams[name] for name in names))
        self.at = node.name

    def conv(
        self,
        channels: int,
        window: Window,
        *,
        groups: int = 1,
        fill: int = 0,
        exact_zeros: bool = False,
        thresholded: bool = True,
    ) -> None:
        """A window and its matrix; `exact_zeros` is for bits whose padding is neither ±1."""
        before = self.stream
        self.add(
            SlidingWindow(
                name=f"window{len(self.nodes)}",
                window=window,
                groups=groups,
                fill=0 if exact_zeros else fill,
            )
        )
        inside = window.inside(*before.shape[:2]) if exact_zeros else None
        self.matrix(channels, groups=groups, inside=inside, thresholded=thresholded)

    def matrix(
        self,
        rows: int,
        *,
        groups: int = 1,
        inside: NDArray[np.bool_] | None = None,
        thresholded: bool = True,
    ) -> None:
        """A matrix-vector unit; `inside` (OH, OW, taps) gives it border classes."""
        rng, mw = self.rng, self.stream.channels // groups
        weights = rng.integers(0, 2, (rows, mw), dtype=np.uint8)
        weights[rng.random(rows) < 0.1] = 1
        weights[rng.random(rows) < 0.1] = 0
        invert = rng.random(rows) < 0.4 if thresholded else None
        name = f"mvu{len(self.nodes)}"
        magnitudes = None
        if self.most and rng.random() < 0.6:
            most = int(rng.choice([1, 1, 2, 3, 4, 7, 8]).clip(max=self.most))
            most = 1 if self.stream.element.bipolar else most
            magnitudes = random_magnitudes(rng, rows, mw, most)
        if not self.stream.element.bipolar:
            limit = mw * max(-self.stream.element.smallest, self.stream.element.largest)
            near = rng.integers(-limit // 8 - 1, limit // 8 + 2, rows)
            edges = rng.choice([-limit - 1, -limit, 0, limit, limit + 1], rows)
            thresholds = np.where(rng.random(rows) < 0.2, edges, near)
            self.add(
                IntegerMvu(
                    name=name,
                    weights=weights,
                    thresholds=thresholds if thresholded else None,
                    invert=invert,
                    groups=groups,
                    magnitudes=magnitudes,
                )
            )
            return
        border, taps = None, np.zeros((1, 1), np.bool_)
        if inside is not None:
            flat = inside.reshape(-1, inside.shape[2])
            taps, classes = np.unique(flat, axis=0, return_inverse=True)
            border = classes.reshape(inside.shape[:2])
        padded = np.repeat(~taps, mw // taps.shape[1], axis=1)
        thresholds = np.stack([adversarial_thresholds(rng, rows, mw) for _ in taps])
        values = 2 * weights.astype(int) - 1
        if magnitudes is not None:
            values *= magnitudes
            thresholds = masked_thresholds(rng, thresholds, np.abs(values).sum(axis=1))
        corrections = padded.astype(int) @ values.T
        self.add(
            XnorMvu(
                name=name,
                weights=weights,
                thresholds=(thresholds if border is not None else thresholds[0])
                if thresholded
                else None,
                invert=invert,
                groups=groups,
                magnitudes=magnitudes,
                border=border,
                correction=None if thresholded or border is None else corrections,
            )
        )

    def max_pool(self, window: Window) -> None:
        bits = self.stream.element.bipolar
        conjunction = self.rng.random(self.stream.channels) < 0.4 if bits else None
        self.add(MaxPool(name=f"pool{len(self.nodes)}", window=window, conjunction=conjunction))

    def sum_pool(self, window: Window) -> None:
        self.add(SumPool(name=f"pool{len(self.nodes)}", window=window))

    def threshold(self) -> None:
        channels, rng = self.stream.channels, self.rng
        self.add(
            Threshold(
                name=f"threshold{len(self.nodes)}",
                thresholds=rng.integers(-6, 7, channels),
                invert=rng.random(channels) < 0.4,
            )
        )

    def levels(self, count: int) -> None:
        """Integers of as many thresholds, which are near 0."""
        rng, channels = self.rng, self.stream.channels
        spread = 1 << max(1, self.stream.element.width_bits - 3)
        thresholds = rng.integers(-spread, spread + 1, (channels, count))
        self.add(
            MultiThreshold(
                name=f"levels{len(self.nodes)}",
                thresholds=np.sort(thresholds, axis=1),
                invert=rng.random(channels) < 0.4,
                low=-int(rng.integers(0, count, endpoint=True)),
            )
        )

    def flatten(self) -> None:
        self.add(Flatten(name=f"flatten{len(self.nodes)}"))

    def finish(self, *, classes: bool) -> Dataflow:
        """The chain with an output table; `classes` adds an arg-max, or a top-k of any k."""
        results, nodes = self.stream.channels, self.nodes
        k = int(self.rng.choice([1, self.rng.integers(1, results + 1)])) if classes else 1
        if classes:
            self.add(ArgMax(name="top", k=k))
        last = next(i for i in range(len(nodes) - 1, -1, -1) if hasattr(nodes[i], "weights"))
        mvu = nodes[last]
        assert isinstance(mvu, XnorMvu | IntegerMvu)
        reach, step = mvu.accumulators(1, 2)
        if isinstance(mvu, IntegerMvu):
            before = nodes[last - 1].name if last else INPUT
            (source,) = self.inputs.get(mvu.name, (before,))
            element = self.streams[source].element
            reach, step = mvu.accumulators(max(-element.least, element.most), 1)
        for node in nodes[last:]:
            if isinstance(node, SumPool):
                reach *= node.window.taps
                step = 1 if any(node.window.padding) else step
        values = np.arange(-reach, reach + 1, step, dtype=np.float32) * np.float32(0.25)
        return Dataflow(
            name="random_network",
            input=self.encoding,
            nodes=tuple(nodes),
            inputs=self.inputs,
            output=OutputTable(
                values=np.tile(values, (results, 1)), classes=classes, low=-reach, step=step, k=k
            ),
        )


def random_window(rng: np.random.Generator, stream: Stream) -> Window:
    """A window that fits."""
    while True:
        window = Window(
            kernel=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
            stride=(1, 1) if rng.random() < 0.6 else (int(rng.integers(1, 3)), 2),
            dilation=(1, 1) if rng.random() < 0.8 else (int(rng.integers(1, 3)), 2),
            padding=(0, 0, 0, 0)
            if rng.random() < 0.4
            else tuple(int(n) for n in rng.integers(0, 2, 4)),
        )
        if min(window.output_size(*stream.shape[:2])) >= 1:
            return window


def random_pool(rng: np.random.Generator, stream: Stream) -> Window:
    """A window that fits and always sees a pixel."""
    while True:
        kernel = (int(rng.integers(1, 4)), int(rng.integers(2, 4)))
        overlap, padded = rng.random() < 0.4, rng.random() < 0.4
        window = Window(
            kernel=kernel,
            stride=(2, 2) if overlap else kernel,
            padding=tuple(int(n) for n in rng.integers(0, 2 if padded else 1, 4)),
        )
        if min(window.output_size(*stream.shape[:2])) < 1:
            continue
        if window.inside(*stream.shape[:2]).any(axis=2).all():
            return window


def random_chain(seed: int, *, magnitudes: int = 0) -> Dataflow:
    """One to three convolutions in all their forms, pools between them, and an end.

    Args:
        seed: of all that is drawn.
        magnitudes: as of a `ChainMaker`.
    """
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(4, 10)), int(rng.integers(4, 10)), int(rng.choice([1, 2, 3, 4])))
    elements = [
        ElementType(width_bits=8),
        ElementType(width_bits=3),
        ElementType(width_bits=4, signed=True),
    ]
    maker = ChainMaker(
        seed,
        bit_encoding(shape)
        if rng.random() < 0.3
        else pixel_encoding(shape, elements[int(rng.integers(3))]),
        magnitudes=magnitudes,
    )
    if not maker.stream.element.bipolar and rng.random() < 0.3:
        maker.max_pool(random_pool(rng, maker.stream))
    for _ in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([g for g in divisors(maker.stream.channels) if g <= 4]))
        bits = maker.stream.element.bipolar
        summed = bool(rng.random() < 0.2)
        maker.conv(
            groups * int(rng.integers(1, 5)),
            random_window(rng, maker.stream),
            groups=groups,
            fill=int(rng.integers(0, 2)),
            exact_zeros=bits and bool(rng.random() < 0.4),
            thresholded=not summed,
        )
        if summed:
            pool = maker.sum_pool if rng.random() < 0.6 else maker.max_pool
            pool(random_pool(rng, maker.stream))
            maker.threshold()
        elif rng.random() < 0.4:
            maker.max_pool(random_pool(rng, maker.stream))
    if rng.random() < 0.6:
        maker.flatten()
        maker.matrix(int(rng.integers(1, 8)), thresholded=False)
    else:
        zeros = bool(rng.random() < 0.5)
        maker.conv(
            int(rng.integers(1, 8)),
            random_window(rng, maker.stream),
            exact_zeros=zeros,
            thresholded=False,
        )
        maker.sum_pool(Window(kernel=maker.stream.shape[:2]))
        maker.flatten()
    return maker.finish(classes=bool(rng.random() < 0.5))


def random_folding(dataflow: Dataflow, seed: int) -> Folding:
    """Any folding that is not too slow to simulate."""
    rng = np.random.default_rng(seed)
    folding = {}
    for layer in layers_of(dataflow):
        folds = [
            Fold(pe=pe, simd=simd)
            for pe in divisors(layer.rows)
            for simd in divisors(layer.node.mw)
        ]
        quick = [fold for fold in folds if layer.cycles(fold) <= _MOST_CYCLES] or folds[-1:]
        folding[layer.node.name] = quick[int(rng.integers(len(quick)))]
    return folding
