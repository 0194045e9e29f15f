"""The file itself, before any rewrite, run by runtimes that know nothing of this package."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_preferred_qonnx_opset

from bnnedge.errors import LoweringError, MismatchError
from bnnedge.lowering.check import Inputs, Original
from bnnedge.lowering.execute import cause_of, execute_by_qonnx, session_of
from bnnedge.lowering.indexed import Array, IndexedModel
from bnnedge.lowering.infer_shapes import infer_shapes
from bnnedge.lowering.tidy import inlined, sort_by_level
from bnnedge.names import CUSTOM_OPS

_IMAGES = 16
_QONNX_IMAGES = 2  # qonnx builds a session for each node and image
_ROUNDING = 1e-5
_Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def check_file(file: onnx.ModelProto, original: Original, x: Inputs, *, rounds: bool) -> int:
    """What a model file gives for some images, against the graph that it was rewritten to.

    onnxruntime runs it whole, without optimisations; qonnx does where it has ops of QONNX's own.
    Images are compared one by one, which also shows that a batch is nothing but its images; those
    that make a Sign an exact 0 are not, for its bit is the user's word and not the file's.

    Args:
        file: as it was parsed.
        original: the graph that layers are compared with.
        x: images, some of which are taken.
        rounds: whether the graph's own sums do, in an order that is the runtime's own. Outputs may
            then differ in their last bits, and an image by a bit; at least half must not.

    Returns:
        The number of equal images.

    Raises:
        MismatchError: names the tensor and the image.
        LoweringError: the runtime does not take the file.
    """
    stored = {tensor.name for tensor in file.graph.initializer}
    source = next(value for value in file.graph.input if value.name not in stored)
    own = {function.domain for function in file.functions} & {CUSTOM_OPS}
    whole = all(node.domain in ("", "ai.onnx", *own) for node in file.graph.node)
    most = _IMAGES if whole else _QONNX_IMAGES
    x = _allowed(file, source, x[:: max(1, len(x) // most)][:most])
    ours = original.run(x)
    kept = _without_zeros(original, ours)
    batch = max(1, source.type.tensor_type.shape.dim[0].dim_value)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(source.type.tensor_type.elem_type)
    different: list[str] = []
    try:
        run = _onnxruntime(file) if whole else _qonnx(file, source.name, batch)
        for image in kept:
            made = run({source.name: np.repeat(x[image : image + 1], batch, axis=0).astype(dtype)})
            for value in file.graph.output:
                mine, theirs = ours[value.name][image].reshape(-1), made[value.name]
                if not _equal(mine, theirs.reshape(batch, -1), rounds):
                    different.append(f"tensor {value.name}: image {image}")
                    break
    except Exception as error:
        raise LoweringError(
            f"the file cannot be run: {cause_of(error)}",
            remedy="export it again; onnx.checker may say what is wrong with it",
        ) from error
    if different and (not rounds or 2 * len(different) > len(kept)):
        raise MismatchError(f"{different[0]} differs from what the file gives")
    return len(kept) - len(different)


def _equal(ours: Array, theirs: Array, rounds: bool) -> bool:
    """Whether every image of a batch gave the same as ours, (K,) and (N, K)."""
    if ours.shape != theirs.shape[1:]:
        return False
    tolerance = _ROUNDING * float(np.abs(ours).max()) if rounds else 0.0
    return np.allclose(theirs, ours, rtol=0.0, atol=tolerance)


def _allowed(file: onnx.ModelProto, source: onnx.ValueInfoProto, x: Inputs) -> Inputs:
    """Images as near to `x` that hold what the file says of its input."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(source.type.tensor_type.elem_type)
    wrapper = ModelWrapper(file, fix_missing_initializer_valueinfo=False)
    annotated = DataType[str(wrapper.get_tensor_datatype(source.name))]
    if annotated == DataType["BIPOLAR"]:
        return np.where(x < 0, -1, 1).astype(np.float32)
    if dtype == np.bool_:
        return (x >= 0.5).astype(np.float32)
    if np.issubdtype(dtype, np.integer):
        bounds = np.iinfo(dtype)
        x = np.clip(np.rint(x), bounds.min, bounds.max)
    if annotated.is_integer():
        x = np.clip(np.rint(x), annotated.min(), annotated.max())
    return x.astype(np.float32)


def _without_zeros(original: Original, made: Mapping[str, Array]) -> list[int]:
    """The images that make no Sign an exact 0 that is told to be a bit."""
    signs = [node for node in original.structure.nodes if node.name in original.signs]
    zeros = [(made[node.input[0]] == 0) for node in signs]
    images = len(made[original.structure.source])
    return [image for image in range(images) if not any(zero[image].any() for zero in zeros)]


def _onnxruntime(file: onnx.ModelProto) -> _Run:
    session = session_of(file)
    names = [value.name for value in file.graph.output]
    return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))


def _qonnx(file: onnx.ModelProto, source: str, batch: int) -> _Run:
    """Of annotations it takes no notice: they are claims, and it would refuse what breaks them."""
    model = onnx.ModelProto()
    model.CopyFrom(inlined(file))
    del model.graph.quantization_annotation[:]
    for value in model.graph.input:
        if value.name == source:
            value.type.tensor_type.shape.dim[0].dim_value = batch
    sort_by_level(model.graph)
    graph = infer_shapes(model).graph
    known = {value.name: value for value in (*graph.value_info, *graph.output)}
    constants = IndexedModel(proto=model).constants
    opsets = {one.domain.removeprefix("ai.onnx"): one.version for one in model.opset_import}

    def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        values = {**constants, **feeds}
        for node in graph.node:
            opset = opsets.get(node.domain.removeprefix("ai.onnx"), get_preferred_qonnx_opset())
            made = execute_by_qonnx(node, values, known, opset)
            values.update({name: made[name] for name in node.output if name in made})
        return values

    return run
