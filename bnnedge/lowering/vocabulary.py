"""The ops that can be lowered, by what they do, and how a node is called."""

import onnx

from bnnedge.lowering.indexed import GraphNode

LINEAR = {"MatMul", "Gemm", "XnorPopcountMatMul", "Conv"}
TABLES = {"LutLayer"}
LAYERS = LINEAR | TABLES
MAX_POOLS = {"MaxPool", "GlobalMaxPool"}
SUM_POOLS = {"AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"}
ELEMENTWISE = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Max", "Min", "Pow", "Abs", "BatchNormalization"),
    *("Relu", "LeakyRelu", "PRelu", "Clip", "HardSigmoid", "Sigmoid", "Tanh", "Elu", "Selu"),
    *("Softplus", "Softsign", "Celu", "HardSwish", "Erf", "Exp", "Log", "Sqrt", "Reciprocal"),
    *("Floor", "Ceil", "Round", "Identity", "Dropout", "Cast", "Where", "Not", "Equal"),
    *("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("And", "Or", "Xor", "Sum", "Mean", "ThresholdedRelu", "CastLike"),
    *("Sign", "BipolarQuant", "MultiThreshold", "Quant", "IntQuant"),
}
RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
INPUT_ONLY = {"Concat", "Expand", "Tile", "Slice", "Gather", "Split"}
SOFTMAX = {"Softmax", "LogSoftmax"}
TOP_K = {"TopK", "ArgMax"}
KNOWN_OPS = {
    *(LAYERS | MAX_POOLS | SUM_POOLS | ELEMENTWISE | RESHAPING | INPUT_ONLY | SOFTMAX | TOP_K),
    "Pad",
}
REWRITTEN_OPS = {"QuantizeLinear", "DequantizeLinear", "Trunc", "ReduceMax"}
MAY_END = SOFTMAX | TOP_K | RESHAPING | {"Cast", "Identity"}
SUMS = {"Add", "Sub", "Sum"}
BRANCHES = "branches meet in an Add, a Sub or a Concat of integers"


def called(node: GraphNode | onnx.NodeProto) -> str:
    """A node as errors name it."""
    name = node.name or f"that makes {', '.join(node.output) or 'nothing'}"
    return f"node {name} ({node.op_type})"


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node that is still to be read."""
    return GraphNode.of(node).integer(name, default)
