"""The nodes of a Dataflow, read off a lowered graph point by point and region by region."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from bnnedge.dataflow import (
    INPUT,
    Add,
    Concat,
    Crop,
    Flatten,
    IntegerMvu,
    MaxPool,
    MultiThreshold,
    Node,
    PadChannels,
    SlidingWindow,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)
from bnnedge.lowering.passes.absorb_regions import probe_of
from bnnedge.lowering.regions import padding_classes
from bnnedge.lowering.structure import Kind, Region, Structure, pad_amounts
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, attribute
from bnnedge.lowering.windows import pad_of, slice_of, window_of


class NodeReader:
    """Reads nodes one to one off what the passes leave.

    Attributes:
        nodes: in an order in which they can run.
        inputs: as a Dataflow has them.
    """

    def __init__(self, model: ModelWrapper, structure: Structure) -> None:
        self._model, self._structure = model, structure
        self.nodes: list[Node] = []
        self.inputs: dict[str, tuple[str, ...]] = {}
        self._sources: dict[tuple[str, int], str] = {}
        self._signs: dict[tuple[str, bytes, bytes], str] = {}
        self._counts: dict[str, int] = {}

    def read(self) -> None:
        """Read all nodes up to the accumulators.

        Raises:
            LoweringError: a join that is no node of a Dataflow.
        """
        structure, made = self._structure, INPUT
        for number, pool in enumerate(structure.input_pools):
            window = window_of(self._model, pool)
            made = self._add(MaxPool(name=f"input_pool_{number}", window=window), made)
        self._sources[structure.layers[0].name, 0] = made
        # The first layer's regions come first.
        points = {id(region.start): region for region in structure.regions}
        for start, kind in ((region.start, region.kind) for region in points.values()):
            regions = structure.behind(start)
            if kind is Kind.LAYER:
                made, regions = self._layer(structure.layers.index(start), regions)
            elif kind is Kind.QUANTISER:
                made = self._sources[start.name, 0]
            else:
                made = self._join(start)
            for region in regions:
                self._region(region, made)

    def _add(self, node: Node, *sources: str) -> str:
        before = self.nodes[-1].name if self.nodes else INPUT
        self.nodes.append(node)
        if sources != (before,):
            self.inputs[node.name] = sources
        return node.name

    def _called(self, what: str) -> str:
        number = self._counts.get(what, 0)
        self._counts[what] = number + 1
        return f"{what}_{number}"

    def _layer(self, index: int, regions: list[Region]) -> tuple[str, list[Region]]:
        """A layer, from its window to its thresholds, if bits are all that is made of it.

        Returns the name of what makes its result, and the regions that are still to be read.
        """
        model, structure = self._model, self._structure
        layer = structure.layers[index]
        made = self._sources[layer.name, 0]
        shape = list(model.get_tensor_shape(structure.entry(index)))
        bipolar = model.get_tensor_datatype(structure.entry(index)) == DataType["BIPOLAR"]
        groups, window, exact = 1, None, False
        if layer.op_type == "Conv":
            groups, window = attribute(layer, "group", 1), window_of(model, layer)
            fill, exact = 0, any(window.padding)
            if structure.pads[index] is not None:
                padding, value = pad_of(model, structure.pads[index])
                window = Window(
                    kernel=window.kernel,
                    stride=window.stride,
                    dilation=window.dilation,
                    padding=padding,
                )
                fill = int(value > 0) if bipolar else int(value)
            if window != Window(kernel=(1, 1)):
                name = f"window_{index}"
                slider = SlidingWindow(name=name, window=window, fill=fill, groups=groups)
                made = self._add(slider, made)
        elif self._is_behind_map(index):
            made = self._add(Flatten(name=f"flatten_{index}"), made)
        weights = self._weights(index)
        unit = _Unit(name=f"mvu_{index}", weights=(weights > 0).astype(np.uint8), groups=groups)
        own: tuple[NDArray[np.int64], NDArray[np.bool_]] | tuple[None, None] = (None, None)
        if len(regions) == 1 and regions[0].reader is not None and not self._sums(regions[0]):
            own = self._bits(regions[0]) or own
        if bipolar:
            border: _Border | None = None
            if exact:
                assert window is not None
                border = _Border.of(window, weights, shape, groups)
            made = self._add(unit.xnor(own[0], own[1], border), made)
        else:
            made = self._add(unit.integer(own[0], own[1]), made)
        if own[0] is not None:
            (region,) = regions
            self._connect(region, self._max_pools(region, index, made))
            regions = []
        elif index == len(structure.layers) - 1:
            (region,) = regions
            made = self._summed(region, made, f"sum_{index}")
            if layer.op_type == "Conv":
                self._add(Flatten(name=f"flatten_{index + 1}"), made)
            regions = []
        return made, regions

    def _region(self, region: Region, made: str) -> None:
        """Sums, thresholds and pools of bits behind a point, as far as there are any."""
        structure = self._structure
        index = structure.layers.index(region.start) if region.kind is Kind.LAYER else None
        alone = index is not None and len(structure.behind(region.start)) == 1
        if self._sums(region):
            made = self._summed(region, made, f"sum_{index}" if alone else self._called("sum"))
        bits = self._bits(region)
        if bits is not None:
            same = made, bits[0].tobytes(), bits[1].tobytes()
            if same not in self._signs:  # several layers may see the same bits
                name = f"threshold_{index}" if alone else self._called("sign")
                node = Threshold(name=name, thresholds=bits[0].astype(np.int32), invert=bits[1])
                self._signs[same] = self._add(node, made)
            made = self._max_pools(region, index, self._signs[same])
        elif region.reader_kind is Kind.QUANTISER:
            rows, invert, low = self._steps(region)
            name = self._called("quantise")
            made = self._add(
                MultiThreshold(name=name, thresholds=rows, invert=invert, low=low), made
            )
        self._connect(region, made)

    def _summed(self, region: Region, made: str, name: str) -> str:
        """The sums that a region begins with, if it does."""
        if not self._sums(region):
            return made
        window = window_of(self._model, region.pools[0])
        return self._add(SumPool(name=name, window=window), made)

    def _connect(self, region: Region, made: str) -> None:
        assert region.reader is not None
        self._sources[region.reader.name, region.operand] = made

    def _join(self, node: Any) -> str:
        """A join or a pool of integers."""
        model = self._model
        count = len([key for key in self._sources if key[0] == node.name])
        sources = tuple(self._sources[node.name, operand] for operand in range(count))
        if node.op_type in SUMS:
            first, second = (self._factor(node, operand) for operand in (0, 1))
            return self._add(Add(name=self._called("add"), factors=(first, second)), *sources)
        if node.op_type == "Concat":
            joined, *rest = sources
            for source in rest:
                joined = self._add(Concat(name=self._called("concat")), joined, source)
            return joined
        if node.op_type == "Pad":
            amounts = pad_amounts(model, node)
            assert amounts is not None
            padded = PadChannels(
                name=self._called("zeros"), before=int(amounts[1]), after=int(amounts[5])
            )
            return self._add(padded, *sources)
        if node.op_type == "Slice":
            return self._slice(node, sources[0])
        window = window_of(model, node)
        if node.op_type in MAX_POOLS:
            return self._add(MaxPool(name=self._called("max"), window=window), *sources)
        return self._add(SumPool(name=self._called("sum"), window=window), *sources)

    def _slice(self, node: Any, made: str) -> str:
        """Every n-th row and column, from the first or a later one on."""
        (top, left), stride = slice_of(self._model, node)
        last = self.nodes[-1]
        if self._extends_slice(node):  # exporters slice axis by axis
            if isinstance(last, Crop) and stride == (1, 1):
                self.nodes[-1] = dataclasses.replace(
                    last, top=last.top + top, left=last.left + left
                )
                return made
            if isinstance(last, SlidingWindow) and not (top or left):
                rows, columns = last.window.stride
                window = Window(kernel=(1, 1), stride=(rows * stride[0], columns * stride[1]))
                self.nodes[-1] = dataclasses.replace(last, window=window)
                return made
        if top or left:
            made = self._add(Crop(name=self._called("crop"), top=top, left=left), made)
        if stride == (1, 1):
            return made
        window = Window(kernel=(1, 1), stride=stride)
        return self._add(SlidingWindow(name=self._called("pixels"), window=window), made)

    def _extends_slice(self, node: Any) -> bool:
        """Whether a Slice is all that reads another one, which was read last."""
        structure = self._structure
        region = next(region for region in structure.regions if region.reader is node)
        before = region.start
        alone = before.op_type == "Slice" and len(structure.behind(before)) == 1
        return alone and self.nodes[-1].name == self._sources[node.name, 0]

    def _factor(self, node: Any, operand: int) -> int:
        producer = self._model.find_producer(node.input[operand])
        if producer is None or producer.name != f"{node.name}_factor_{operand}":
            return 1
        return int(self._model.get_initializer(producer.input[1]).item())

    def _is_behind_map(self, index: int) -> bool:
        """Whether a layer sees what was a feature map, or a pool of the input."""
        structure = self._structure
        return structure.into(index).is_map(self._model) if index else bool(structure.input_pools)

    def _sums(self, region: Region) -> bool:
        return bool(region.pools) and region.pools[0].op_type not in MAX_POOLS

    def _threshold(self, region: Region) -> Any | None:
        return next((node for node in region if node.op_type == "MultiThreshold"), None)

    def _steps(self, region: Region) -> tuple[NDArray[np.int32], NDArray[np.bool_], int]:
        """Thresholds (C, L) and invert (C,) of integers, and the least result."""
        model, node = self._model, self._threshold(region)
        assert node is not None
        rows = thresholds_of(model, tuple(region)).astype(np.int64)
        invert = flips_of(model, tuple(region), len(rows))
        _, reach = probe_of(model, region, {})
        rows = np.where(invert[:, None], reach.step - rows[:, ::-1], rows)
        bias = get_by_name(node.attribute, "out_bias")
        return rows.astype(np.int32), invert, int(bias.f)

    def _bits(self, region: Region) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
        """bit = (integer or sum >= threshold) ^ invert; None where the region makes no bits."""
        node = self._threshold(region)
        if node is None or self._model.get_tensor_datatype(node.output[0]) != DataType["BIPOLAR"]:
            return None
        rows, invert, _ = self._steps(region)
        return rows[:, 0].astype(np.int64), invert

    def _weights(self, index: int) -> NDArray[np.float32]:
        """±1 weights (MH, MW) in the order in which the stream's elements come."""
        model, layer = self._model, self._structure.layers[index]
        weights: NDArray[np.float32] = model.get_initializer(layer.input[1])
        if layer.op_type == "Conv":
            return weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
        rows = weights.T
        producer = model.find_producer(self._structure.entry(index))
        before = model.get_tensor_shape(producer.input[0]) if producer is not None else []
        if self._is_behind_map(index) and producer.op_type == "Reshape" and len(before) == 4:
            _, channels, height, width = before
            planes = rows.reshape(len(rows), channels, height, width)
            return planes.transpose(0, 2, 3, 1).reshape(len(rows), -1)
        return rows

    def _max_pools(self, region: Region, index: int | None, made: str) -> str:
        """The pools of bits behind a threshold; a Mul by ±1 before one says where to AND."""
        model, number = self._model, 0
        previous: MaxPool | None = None
        for section, pool in zip(region.sections, region.pools, strict=False):
            if pool.op_type not in MAX_POOLS:
                continue
            flips = np.zeros(model.get_tensor_shape(pool.input[0])[1], np.bool_)
            behind = [node.op_type for node in section]
            start = behind.index("MultiThreshold") + 1 if "MultiThreshold" in behind else 0
            if previous is not None and behind[:1] == ["Mul"]:
                assert previous.conjunction is not None
                start = int(previous.conjunction.any())
            for node in section[start:]:
                if node.op_type == "Mul":
                    flips = model.get_initializer(node.input[1]).reshape(-1) < 0
            suffix = f"_{number}" if number else ""
            name = self._called("pool_of_bits") if index is None else f"pool_{index}{suffix}"
            previous = MaxPool(name=name, window=window_of(model, pool), conjunction=flips)
            made = self._add(previous, made)
            number += 1
        return made


def thresholds_of(model: ModelWrapper, nodes: tuple[Any, ...]) -> NDArray[np.float32]:
    """The thresholds of the first MultiThreshold, (C, L)."""
    node = next(node for node in nodes if node.op_type == "MultiThreshold")
    rows: NDArray[np.float32] = model.get_initializer(node.input[1])
    return rows


def flips_of(model: ModelWrapper, nodes: tuple[Any, ...], size: int) -> NDArray[np.bool_]:
    """Where the Mul before the first MultiThreshold multiplies by −1."""
    for node in nodes:
        if node.op_type == "MultiThreshold":
            break
        if node.op_type == "Mul":
            flipped: NDArray[np.bool_] = model.get_initializer(node.input[1]).reshape(-1) < 0
            return flipped
    return np.zeros(size, np.bool_)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Border:
    """Exact zeros around ±1: a padded tap is bit 0, which stands for −1, and must not count.

    accumulator = dot product with −1 + sum of the padded taps' weights, per border class.

    Attributes:
        classes: int32 (OH, OW).
        correction: int64 (classes, MH).
    """

    classes: NDArray[np.int32]
    correction: NDArray[np.int64]

    @classmethod
    def of(
        cls, window: Window, weights: NDArray[Any], shape: list[int], groups: int
    ) -> "_Border | None":
        inside = window.inside(shape[2], shape[3])
        if inside.all():
            return None
        classes = padding_classes(window, shape[2], shape[3])
        number = int(classes.max()) + 1
        first = [int(np.flatnonzero(classes.reshape(-1) == one)[0]) for one in range(number)]
        outside = ~inside.reshape(-1, window.taps)[first]
        per_tap = weights.reshape(len(weights), window.taps, -1).sum(axis=2)
        correction = outside.astype(np.int64) @ per_tap.T.astype(np.int64)
        return cls(classes=classes, correction=correction)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Unit:
    """A matrix-vector unit to be."""

    name: str
    weights: NDArray[np.uint8]
    groups: int

    def xnor(
        self,
        threshold: NDArray[np.int64] | None,
        invert: NDArray[np.bool_] | None,
        border: _Border | None,
    ) -> XnorMvu:
        """`threshold` is on accumulators; p is the popcount of (accumulator + MW) / 2."""
        synapses = self.weights.shape[1]
        popcounts, correction = None, None
        if threshold is not None:
            dots = threshold if border is None else threshold - border.correction
            popcounts = np.clip(-(-(dots + synapses) // 2), 0, synapses + 1).astype(np.int32)
        elif border is not None:
            correction = border.correction.astype(np.int32)
        return XnorMvu(
            name=self.name,
            weights=self.weights,
            thresholds=popcounts,
            invert=invert,
            groups=self.groups,
            border=None if border is None else border.classes,
            correction=correction,
        )

    def integer(
        self, threshold: NDArray[np.int64] | None, invert: NDArray[np.bool_] | None
    ) -> IntegerMvu:
        """`threshold` is on accumulators."""
        return IntegerMvu(
            name=self.name,
            weights=self.weights,
            thresholds=None if threshold is None else threshold.astype(np.int32),
            invert=invert,
            groups=self.groups,
        )
