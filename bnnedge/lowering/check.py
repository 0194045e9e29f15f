"""The oracles: the Dataflow against the graph it came from, bit by bit and layer by layer."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import (
    Dataflow,
    IntegerMvu,
    LutLayer,
    MaxPool,
    MultiThreshold,
    OutputTable,
    Threshold,
    XnorMvu,
)
from bnnedge.errors import LoweringError, MismatchError
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.node_checks import class_output
from bnnedge.lowering.notes import Lift
from bnnedge.lowering.regions import input_layout, layouts_of, start_layout
from bnnedge.lowering.split import find_structure
from bnnedge.lowering.structure import Structure, logits_of
from bnnedge.lowering.table import stream_names
from bnnedge.lowering.vocabulary import called

Inputs = NDArray[np.float32]
_CHUNK = 1000  # images at a time: bounds memory, not results
_CHUNK_ELEMENTS = 1 << 25


@dataclass(frozen=True, kw_only=True, eq=False)
class Original:
    """The graph as it was read, and how to run it.

    Attributes:
        model: tidy, and nothing more.
        structure: its parts.
        signs: see `Notes`.
        offset: see `Notes`.
    """

    model: IndexedModel
    structure: Structure
    signs: Mapping[str, float]
    offset: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, model: onnx.ModelProto, signs: Mapping[str, float]) -> "Original":
        """`model` is tidy, and nothing more."""
        indexed = IndexedModel(proto=model)
        return cls(model=indexed, structure=find_structure(indexed), signs=signs)

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self.model, self.signs)

    def run(self, x: Inputs) -> dict[str, Array]:
        """Inputs (N, *shape) → every tensor by name."""
        return self._runner.run(self.structure.nodes, {self.structure.source: x})

    def places(self, index: int) -> NDArray[np.int64]:
        """For each element of what layer `index` sees, its place in the Dataflow's stream."""
        structure = self.structure
        if index in structure.first:
            return input_layout(self.model, structure).at.reshape(-1)
        region = structure.into(structure.layers[index])
        start = start_layout(self.model, structure, region)
        return layouts_of(self.model, region, start)[structure.entry(index)].at.reshape(-1)

    def costs(self) -> tuple[int, int]:
        """Multiplications, and floats of all tensors, per image."""
        shapes = [
            self.model.known_shape(name)
            for node in self.structure.nodes
            for name in node.output
            if name
        ]
        products = 0
        for layer in self.structure.layers:
            shape = self.model.shape(layer.output[0])
            channels = shape[1] if layer.op_type == "Conv" else shape[-1]
            weights = self.model.floats(layer, 1)
            products += weights.size * int(np.prod(shape)) // channels
        return products, sum(int(np.prod(shape)) for shape in shapes if shape)


def check_original(
    dataflow: Dataflow, original: Original, lifted: list[Lift], x: Inputs
) -> dict[str, int]:
    """Compare every layer's bits and the output with the original graph's, with `==`.

    Where a layer is in `lifted` the original's own float sums are inexact. There a bit may differ
    if its popcount is next to the threshold; such an image is counted and not followed further. A
    wrong threshold looks the same, but in many images: at least half of them must be left.

    Returns:
        Counts of images, of compared bits and outputs, and of images with a rounding difference.

    Raises:
        MismatchError: names the first differing node, channel and image; or too few images are
            left to say that anything is equal.
    """
    total: Counter[str] = Counter()
    chunk = max(1, min(_CHUNK, _CHUNK_ELEMENTS // original.costs()[1]))
    for first in range(0, len(x), chunk):
        total.update(_check_chunk(dataflow, original, lifted, x[first : first + chunk], first))
    left = len(x) - total["rounding_images"]
    if not left or 2 * left < len(x):
        raise MismatchError(
            f"layers that round ({', '.join(sorted({lift.layer for lift in lifted}))}): only {left}"
            f" of {len(x)} images have the graph's bits throughout, wanted at least half",
            remedy="use weight scales and shifts that are powers of two, or scale behind the sum",
        )
    return dict(total)


def _check_chunk(
    dataflow: Dataflow, original: Original, lifted: list[Lift], x: Inputs, first: int
) -> dict[str, int]:
    """`check_original` for images that begin at number `first`."""
    made, trace = original.run(x), dataflow.trace_of(dataflow.input.encode(x))
    structure = original.structure
    inexact = {lift.layer for lift in lifted}
    alive = np.ones(len(x), np.bool_)
    compared = 0
    names, streams = stream_names(dataflow), dataflow.streams()
    for index, (layer, name) in enumerate(zip(structure.layers, names, strict=True)):
        ours = trace[name].reshape(len(x), -1)
        seen = np.asarray(made[structure.entry(index)].reshape(len(x), -1), np.float32)
        theirs = np.empty_like(seen)
        if theirs.shape != ours.shape:
            raise LoweringError(
                f"{called(layer)}: its input is not what shape inference says",
                remedy="export it again with fixed shapes",
            )
        if index in structure.first and original.offset is not None:
            seen = (seen - original.offset).astype(np.float32)
        theirs[:, original.places(index)] = seen
        bits = streams[name].element.bipolar
        if bits:
            wrong = _two_level_mismatch(theirs, ours.astype(bool))
        else:
            wrong = _scale_mismatch(theirs, ours)
        wrong &= alive[:, None]
        follows = index not in structure.first
        if follows and wrong.any() and structure.layers[index - 1].name in inexact:
            near = _near(dataflow, trace, index - 1).reshape(len(x), -1)
            alive &= ~(wrong & near).any(axis=1)
            wrong &= ~near & alive[:, None]
        if wrong.any():
            image, place = (int(i) for i in np.argwhere(wrong)[0])
            what = "bit" if bits else "integer"
            raise MismatchError(
                f"{name}: {what} {place} of image {first + image} is {int(ours[image, place])},"
                f" the graph's input of {called(layer)} says otherwise"
            )
        compared += int(alive.sum()) * ours.shape[1]
    accumulators = _accumulators(dataflow, trace)
    exact = structure.layers[-1].name not in inexact
    _check_output(dataflow, original, made, trace, _Alive(mask=alive, first=first), exact)
    return {
        "images": len(x),
        "bits": compared,
        "outputs": int(alive.sum()) * accumulators.shape[1],
        "rounding_images": int((~alive).sum()),
    }


def _accumulators(dataflow: Dataflow, trace: Mapping[str, Array]) -> NDArray[np.int64]:
    """What the output table is looked up with, (N, K)."""
    return trace[dataflow.nodes[-1 - len(dataflow.class_nodes)].name].astype(np.int64)


def _near(dataflow: Dataflow, trace: Mapping[str, Array], index: int) -> NDArray[np.bool_]:
    """Which bits that reach layer `index` + 1 depend on an accumulator next to its threshold."""
    unit = dataflow.layers[index]
    start = dataflow.nodes.index(unit)
    before = dataflow.nodes[start - 1].name if start else "input"
    near: NDArray[np.bool_] | None = None
    nodes = dataflow.nodes[start : dataflow.nodes.index(dataflow.layers[index + 1])]
    for node in nodes:
        match node:
            case XnorMvu() if node.thresholds is not None:
                own = node.thresholds
                distance = node.popcounts(trace[before].astype(np.uint8))
                distance = distance - (own if node.border is None else own[node.border])
                near = (distance == 0) | (distance == -1)
            case IntegerMvu() if node.thresholds is not None:
                plain = dataclasses.replace(node, thresholds=None, invert=None)
                near = np.abs(plain.run(trace[before]) - node.thresholds) <= 1
            case LutLayer():
                near = node.switches(trace[before].astype(np.uint8))
            case Threshold():
                near = np.abs(trace[before] - node.thresholds) <= 2
            case MultiThreshold():
                distance = np.abs(trace[before][..., None] - node.thresholds)
                near = np.asarray((distance <= 2).any(axis=-1))
            case MaxPool():
                assert near is not None
                near = np.asarray(node.window.view(near, False).any(axis=(3, 4)))
            case _:
                pass
        if near is None:
            before = node.name
    assert near is not None
    return near


def _two_level_mismatch(values: Inputs, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where `values` is not the same one of two levels for the same bit."""
    ones, zeros = values[bits], values[~bits]
    high = np.median(ones) if ones.size else np.float32(0)
    low = np.median(zeros) if zeros.size else np.float32(0)
    wrong: NDArray[np.bool_] = values != np.where(bits, high, low)
    return wrong if low != high or not (ones.size and zeros.size) else np.ones_like(wrong)


def _scale_mismatch(values: Inputs, integers: Array) -> NDArray[np.bool_]:
    """Where `values` is not the same multiple, up to float32's rounding, of `integers`."""
    largest = np.abs(integers).argmax()
    integer = integers.reshape(-1)[largest]
    scale = float(values.reshape(-1)[largest]) / integer if integer else 1.0
    wrong: NDArray[np.bool_] = np.rint(values / scale) != integers
    return wrong


def _check_output(
    dataflow: Dataflow,
    original: Original,
    made: Mapping[str, Array],
    trace: Mapping[str, Array],
    alive: "_Alive",
    exact: bool,
) -> None:
    structure = original.structure
    layer, unit = structure.layers[-1], dataflow.mvus[-1]
    dots = trace[unit.name]
    accumulators = _accumulators(dataflow, trace)
    given = made[layer.output[0]]
    if given.ndim == 4 and layer.op_type == "Conv":
        given = np.moveaxis(given, 1, 3)
    integers = given.reshape(len(accumulators), -1)
    weights = original.model.floats(layer, 1)
    if (
        exact
        and layer.op_type in ("MatMul", "Conv")
        and len(layer.input) == 2
        and np.array_equal(np.abs(weights), np.ones_like(weights))
    ):
        # With {0, s} inputs the graph's sum is not the ±1 dot product; the logits tell then.
        levels = np.abs(np.unique(made[structure.entry(len(structure.layers) - 1)]))
        if isinstance(unit, XnorMvu) and (levels == 1).all():
            wrong = integers != dots.reshape(len(accumulators), -1)
            _raise_if(wrong, alive, unit.name, called(layer))
    logits = made[structure.result].reshape(len(accumulators), -1)
    got = dataflow.output.logits(accumulators)
    tolerance = 0.0 if exact else _tolerance(dataflow.output)
    _raise_if(np.abs(logits - got) > tolerance, alive, "output", f"tensor {structure.result}")
    if structure.top_k is not None:
        ours = dataflow.classes_of(accumulators).reshape(len(accumulators), -1)
        _check_classes(structure.top_k, made, got, ours, alive, tolerance)


def _check_classes(
    top_k: GraphNode,
    made: Mapping[str, Array],
    logits: NDArray[np.float32],
    ours: NDArray[np.int64],
    alive: "_Alive",
    tolerance: float,
) -> None:
    theirs = made[class_output(top_k)].reshape(len(logits), -1).astype(np.int64)
    if ours.shape != theirs.shape:
        raise MismatchError(
            f"class: {ours.shape[1]} of an image, {called(top_k)} gives {theirs.shape[1]}"
        )
    distance = np.take_along_axis(logits, ours, 1) - np.take_along_axis(logits, theirs, 1)
    close = np.abs(distance) <= 2 * tolerance
    wrong = (ours != theirs) & ~(close & (tolerance > 0))
    _raise_if(wrong, alive, "class", called(top_k))


@dataclass(frozen=True, kw_only=True)
class _Alive:
    """Images that are still compared, and the number of the first one."""

    mask: NDArray[np.bool_]
    first: int = 0


def _raise_if(wrong: NDArray[np.bool_], alive: _Alive, ours: str, theirs: str) -> None:
    wrong = wrong & alive.mask[:, None]
    if wrong.any():
        image, channel = (int(i) for i in np.argwhere(wrong)[0])
        image += alive.first
        raise MismatchError(f"{ours}: channel {channel} of image {image} differs from {theirs}")


def check_finn(dataflow: Dataflow, lowered: ModelWrapper, x: Inputs) -> int:
    """The lowered FINN graph, run by qonnx, gives the same logits; returns the image count."""
    model = IndexedModel(proto=lowered.model)
    runner, result = Runner(model), logits_of(model)
    made = [runner.run(model.nodes, {model.source: image[None]})[result] for image in x]
    got = np.concatenate(made).reshape(len(x), -1)
    alive = _Alive(mask=np.ones(len(x), np.bool_))
    wanted = dataflow.output.logits(dataflow.accumulators_of(dataflow.input.encode(x)))
    _raise_if(got != wanted, alive, "output", "the lowered FINN graph")
    return len(x)


def check_reference(
    dataflow: Dataflow, reference: Mapping[str, Array], lifted: bool
) -> dict[str, int]:
    """PyTorch's own results against the Dataflow's.

    Args:
        dataflow: the result.
        reference: `inputs`, `logits` and, where known, `accumulators`.
        lifted: whether the original's floats are inexact in themselves.

    Returns:
        Counts of images and outputs.

    Raises:
        MismatchError: names the first differing channel and image.
        LoweringError: the arrays do not fit the graph.
    """
    accumulators = dataflow.accumulators_of(dataflow.input.encode(reference["inputs"]))
    got, logits = dataflow.output.logits(accumulators), reference["logits"]
    if logits.shape != got.shape:
        raise LoweringError(
            f"reference.npz: wanted logits {got.shape}, got {logits.shape}",
            remedy="export again, or remove the file",
        )
    tolerance = _tolerance(dataflow.output) if lifted else 0.0
    alive = _Alive(mask=np.ones(len(got), np.bool_))
    integers = reference.get("accumulators", accumulators)
    if integers.shape == accumulators.shape:
        name = dataflow.mvus[-1].name
        _raise_if(integers != accumulators, alive, name, "PyTorch's accumulators")
    _raise_if(np.abs(got - logits) > tolerance, alive, "output", "PyTorch's logits")
    return {"images": len(got), "outputs": got.size}


def _tolerance(table: OutputTable) -> float:
    return 1e-5 * float(np.abs(table.values).max())
