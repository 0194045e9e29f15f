"""Random networks in plain ONNX, as exporters of many ages and frameworks write them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from bnnedge.lowering import InputKind
from tests.lowering.graphs import Graph, adversarial_norm, bipolar

OPSETS = range(7, 22)
_ATTRIBUTES_UNTIL = {"Clip": 11, "Pad": 11, "Squeeze": 13, "ReduceMean": 18}
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class RandomPlain:
    """One network, which `seed` decides whole.

    Attributes:
        graph: the network.
        opset: of the file.
        batch: which its shapes hold; None where it is dynamic.
        kind: what the user has to say of its input, if anything.
        image: shape of an input.
    """

    def __init__(self, seed: int) -> None:
        self._rng = rng = np.random.default_rng(seed)
        self.opset = int(rng.choice(OPSETS))
        self.batch = [None, 1, int(rng.integers(2, 9))][rng.integers(3)]
        self._last = bool(rng.integers(2))  # channels last
        self._images = bool(rng.random() < 0.75)
        self._channels = int(rng.integers(1, 5))
        size = tuple(int(n) for n in rng.integers(5, 10, 2)) if self._images else ()
        self._size: tuple[int, ...] = size
        if self._images and self._last:
            self.image = (*size, self._channels)
        else:
            self.image = (self._channels, *size)
        self._pixels = bool(rng.integers(3) == 0)
        self.kind = None
        self.graph = Graph((self.batch or "N", *self.image))
        self._read()
        self._build()

    def inputs(self, count: int) -> NDArray[np.float32 | np.uint8]:
        """Images as the network takes them, edges among them."""
        rng = np.random.default_rng(self._rng.integers(1 << 32))
        shape = (count, *self.image)
        if self._pixels:
            x = rng.integers(0, 256, shape)
            x[0], x[1] = 0, 255
            return x.astype(np.uint8)
        if self.kind is InputKind.BIPOLAR:
            return bipolar(rng, *shape)
        values = np.float32([0, -0.0, 1e-38, -1e-38, 0.5, -0.5, 1, -1])
        return np.where(
            rng.random(shape) < 0.5, rng.choice(values, shape), rng.normal(0, 1, shape)
        ).astype(np.float32)

    def _read(self) -> None:
        """From what the file takes to what the first layer takes."""
        rng, graph = self._rng, self.graph
        if self._pixels:
            graph.input.type.tensor_type.elem_type = TensorProto.UINT8
            graph.add("Cast", to=TensorProto.FLOAT)
            if rng.integers(2):
                graph.add("Sub", np.float32(rng.choice([128, 127.5])))
            if rng.integers(2):
                graph.add("Mul", np.float32(1 / 256))
        if self._images and self._last:
            graph.add("Transpose", perm=_TO_FIRST)
        if not self._pixels:
            if rng.integers(4):
                self._binarise()
            else:
                self.kind = InputKind.BIPOLAR

    def _build(self) -> None:
        rng, graph = self._rng, self.graph
        if self._images:
            for _ in range(rng.integers(1, 4)):
                self._convolve()
                self._make_bits()
            if rng.integers(3) == 0:
                self._convolve()
                self._mean()
                if rng.integers(2):
                    return
                graph.add("Sub", rng.normal(0, 1, self._channels))
                self._binarise()
            else:
                self._flatten()
        for _ in range(rng.integers(0, 3)):
            self._multiply(int(rng.integers(3, 20)))
            self._threshold()
        self._multiply(int(rng.integers(2, 6)))
        if rng.integers(2):
            graph.add("Add", rng.normal(0, 1, self._channels))

    def _convolve(self) -> None:
        """A layer of images."""
        rng, graph = self._rng, self.graph
        rows, columns = (int(n) for n in rng.integers(1, 1 + np.minimum(3, self._size)))
        strides = [int(n) for n in rng.integers(1, 3, 2)]
        pads = [0] * 4
        options: dict[str, object] = {"strides": strides}
        match rng.integers(4):
            case 0:
                options["auto_pad"] = str(rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
                if options["auto_pad"] != "VALID":
                    self._size = tuple(-(-n // s) for n, s in zip(self._size, strides, strict=True))
            case 1:
                pads = [int(n) for n in rng.integers(0, (rows, columns, rows, columns))]
                options["pads"] = pads
            case 2:
                pads = [int(n) for n in rng.integers(0, (rows, columns, rows, columns))]
                self._pad(pads)
        if options.get("auto_pad", "VALID") == "VALID":
            self._shrink((rows, columns), strides, pads)
        groups = self._channels if rng.integers(4) == 0 else 1
        channels = int(rng.integers(2, 7)) * groups
        weights = bipolar(rng, channels, self._channels // groups, rows, columns)
        if rng.integers(3) == 0:
            weights *= np.float32(0.5)
        bias = [rng.integers(-3, 4, channels).astype(np.float32)] * int(rng.integers(2))
        graph.add("Conv", weights, *bias, group=groups, **options)
        self._synapses = weights[0].size
        self._channels = channels

    def _make_bits(self) -> None:
        """Of a layer of images, with a pool in front or behind them, if any."""
        pools = min(self._size) > 2 and self._rng.integers(3)
        if pools == 1:
            self._pool()
        self._back_and_forth()
        self._threshold((self._channels, 1, 1))
        if pools == 2:
            self._pool()
        self._back_and_forth()

    def _back_and_forth(self) -> None:
        """To channels last and back, as converters put around nodes."""
        if self._last and self._rng.integers(3) == 0:
            self.graph.add("Transpose", perm=_TO_LAST)
            self.graph.add("Transpose", perm=_TO_FIRST)

    def _pool(self) -> None:
        rng = self._rng
        pads = [0] * 4
        if rng.integers(2):
            pads = [int(n) for n in rng.integers(0, 2, 4)]
        self.graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=pads)
        self._shrink((2, 2), [2, 2], pads)

    def _shrink(self, window: tuple[int, int], strides: Sequence[int], pads: Sequence[int]) -> None:
        self._size = tuple(
            (n + pads[axis] + pads[axis + 2] - window[axis]) // strides[axis] + 1
            for axis, n in enumerate(self._size)
        )

    def _pad(self, pads: Sequence[int]) -> None:
        whole = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]
        self._add("Pad", {"pads": whole, "value": 0.0}, mode="constant")

    def _mean(self) -> None:
        """Of all pixels, whose sum does not round."""
        rng, graph = self._rng, self.graph
        if rng.integers(2):
            graph.add("GlobalAveragePool")
            if rng.integers(2):
                graph.add("Flatten")
            else:
                self._add("Squeeze", {"axes": [2, 3]})
        else:
            self._add("ReduceMean", {"axes": [2, 3]}, keepdims=0)

    def _flatten(self) -> None:
        graph, features = self.graph, self._channels * int(np.prod(self._size))
        if self._last:
            graph.add("Transpose", perm=_TO_LAST)
        if self._rng.integers(2) or (self.batch or 1) > 1:
            graph.add("Reshape", np.array([self.batch or -1, features]))
        else:
            graph.add("Flatten")
        self._channels = features

    def _multiply(self, outputs: int) -> None:
        weights = bipolar(self._rng, self._channels, outputs)
        if self._rng.integers(2):
            self.graph.add("MatMul", weights)
        else:
            bias = self._rng.integers(-3, 4, outputs).astype(np.float32)
            self.graph.add("Gemm", np.ascontiguousarray(weights.T), bias, transB=1)
        self._synapses, self._channels = self._channels, outputs

    def _threshold(self, shape: tuple[int, ...] | None = None) -> None:
        """What normalises, shifts or scales each channel, then bits."""
        rng, graph = self._rng, self.graph
        channels = self._channels
        shape = shape or (channels,)
        match rng.integers(4):
            case 0:
                adversarial_norm(rng, self._synapses, channels).append(graph)
            case 1:
                graph.add("Mul", rng.uniform(0.1, 2, shape) * rng.choice([-1, 1], shape))
                graph.add("Sub", rng.normal(0, 1, shape))
            case 2:
                graph.add("Sub", rng.integers(-4, 5, shape) + 0.5)
            case _:
                graph.add("Add", rng.integers(-4, 5, shape).astype(np.float32))
        if rng.integers(4) == 0:
            graph.add("Dropout")
        if rng.integers(3) == 0:
            self._add("Clip", {"min": -1.0, "max": 1.0})
        self._binarise()

    def _binarise(self) -> None:
        """Bits, +1 at zero, in one of the forms that the opset has."""
        forms: list[Callable[[], None]] = [self._by_cast]
        if self.opset >= 9:
            forms += [self._by_where, self._by_two_signs]
        forms[self._rng.integers(len(forms))]()

    def _by_cast(self) -> None:
        graph = self.graph
        graph.add("Less", np.float32(0))
        graph.add("Not")
        graph.add("Cast", to=TensorProto.FLOAT)
        graph.add("Mul", np.float32(2))
        graph.add("Sub", np.float32(1))

    def _by_where(self) -> None:
        self.graph.add("Less", np.float32(0))
        self.graph.add("Where", np.float32(-1), np.float32(1))

    def _by_two_signs(self) -> None:
        self.graph.add("Sign")
        self.graph.add("Add", np.float32(0.5))
        self.graph.add("Sign")

    def _add(self, op: str, given: dict[str, object], **attributes: object) -> None:
        """A node whose `given` are attributes in old opsets, and inputs in newer ones."""
        if self.opset < _ATTRIBUTES_UNTIL[op]:
            self.graph.add(op, **given, **attributes)
            return
        values = (np.float32(v) if isinstance(v, float) else np.array(v) for v in given.values())
        self.graph.add(op, *values, **attributes)
