"""Node-by-node execution on batches: onnxruntime for ONNX's ops, qonnx for its own.

Each node runs alone, so its arithmetic is what ONNX defines for it: a whole-graph runtime may fuse
a MatMul with its BatchNormalization and round differently. Graphs have batch 1; a batch of N runs
by giving every input N rows, and by replacing the 1 that exporters bake into Reshape's shape.
"""

import re
from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from qonnx.core.onnx_exec import execute_node
from qonnx.custom_op.registry import getCustomOp

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.names import CUSTOM_OPS

QONNX_DOMAIN = "qonnx.custom_op.general"
Tensors = dict[str, Array]
_CODES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |This is an invalid model\. |\[\w+InferenceError\] "
)
_WITH_BATCH = {"Reshape", "Expand", "Concat"}  # their constants contain the batch


def cause_of(error: Exception) -> str:
    """The first line of what a runtime says, without its codes; the error's name if that is all."""
    text = _CODES.sub("", str(error)).strip().splitlines()
    return text[0].strip()[:200] if text else type(error).__name__


def execute_by_qonnx(
    node: onnx.NodeProto,
    values: Mapping[str, Array],
    known: Mapping[str, onnx.ValueInfoProto],
    opset: int,
) -> Tensors:
    """One node by qonnx's own executor, which searches its graph for every tensor.

    Args:
        node: to be executed.
        values: of all its inputs.
        known: value infos by name; of all its outputs at least.
        opset: ONNX's.
    """
    names = [name for name in dict.fromkeys(node.input) if name and name in values]
    context = {name: values[name] for name in names}
    entries = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(values[name].dtype), values[name].shape
        )
        for name in names
    ]
    results = [known[name] for name in node.output if name in known]
    for value in results:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        context[value.name] = np.zeros(shape, np.float32)
    graph = helper.make_graph([node], "node", [], [], value_info=[*entries, *results])
    execute_node(node, context, graph, opset)
    return context


def session_of(model: onnx.ModelProto, *, optimised: bool = False) -> onnxruntime.InferenceSession:
    """A model in onnxruntime, on one thread; every node as it is, if not `optimised`."""
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Runner:
    """Runs nodes of a graph whose batch is 1 on any batch.

    Args:
        model: the graph; its constants are read here, once.
        signs: what `Sign` nodes, by name, give for an exact 0; the others give 0, as in ONNX.
        constants: by name, instead of the graph's own.
    """

    def __init__(
        self,
        model: IndexedModel,
        signs: Mapping[str, float] | None = None,
        constants: Mapping[str, Array] | None = None,
    ) -> None:
        self._constants = ChainMap(dict(constants or {}), dict(model.constants))
        self._model, self._graph = model, model.proto.graph
        self._opsets = list(model.proto.opset_import)
        self._signs = signs or {}
        self._sessions: dict[tuple[str, int], onnxruntime.InferenceSession] = {}

    def run(self, nodes: Iterable[GraphNode], feeds: Mapping[str, Array]) -> Tensors:
        """Execute `nodes`, in order, from `feeds`: every tensor that was fed or made, by name."""
        context = self._constants.new_child(dict(feeds))
        batch = len(next(iter(feeds.values())))
        made = dict(feeds)
        for node in nodes:
            with np.errstate(all="ignore"):
                self._execute(node, context, batch)
            made.update({name: context[name] for name in node.output if name})
        return made

    def _execute(self, node: GraphNode, context: MutableMapping[str, Array], batch: int) -> None:
        try:
            if node.domain in (QONNX_DOMAIN, CUSTOM_OPS):
                if node.op_type == "MaxPoolNHWC":  # reads the shape off its output
                    shape = self._model.shape(node.output[0])
                    context[node.output[0]] = np.zeros(shape, np.float32)
                getCustomOp(node.proto).execute_node(context, self._graph)
                return
            session = self._session(node, context, batch)
            feeds = {value.name: context[value.name] for value in session.get_inputs()}
            names = [name for name in node.output if name]
            for name, value in zip(names, session.run(names, feeds), strict=True):
                context[name] = value
        except Exception as error:
            raise LoweringError(
                f"node {node.name} ({node.op_type}) cannot run: {cause_of(error)}",
                remedy="its inputs or attributes are not what ONNX or QONNX defines; for an old"
                " opset, convert the model to a newer one with onnx.version_converter",
            ) from error
        if node.name in self._signs:
            value = context[node.output[0]]
            context[node.output[0]] = np.where(value == 0, self._signs[node.name], value).astype(
                value.dtype
            )

    def _session(
        self, node: GraphNode, context: Mapping[str, Array], batch: int
    ) -> onnxruntime.InferenceSession:
        key = (node.output[0], batch if node.op_type in _WITH_BATCH else 0)
        if key not in self._sessions:
            data = [name for name in dict.fromkeys(node.input) if name]
            constants = [name for name in data if name in self._constants]
            values = {name: self._constants[name] for name in constants}
            if node.op_type == "Concat":
                values = {name: np.repeat(value, batch, axis=0) for name, value in values.items()}
            elif node.op_type in _WITH_BATCH and node.input[1] in values:
                values[node.input[1]] = _with_batch(values[node.input[1]], batch)
            graph = helper.make_graph(
                [node.proto],
                "node",
                [
                    helper.make_tensor_value_info(
                        name, helper.np_dtype_to_tensor_dtype(context[name].dtype), None
                    )
                    for name in data
                    if name not in values
                ],
                [helper.make_empty_tensor_value_info(name) for name in node.output if name],
                [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
            )
            model = helper.make_model(graph, opset_imports=self._opsets, ir_version=10)
            self._sessions[key] = session_of(model)
        return self._sessions[key]


def _with_batch(shape: Array, batch: int) -> Array:
    shape = shape.copy()
    if shape.size and shape[0] == 1:
        shape[0] = batch
    return shape
