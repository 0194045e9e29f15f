"""Ops and domains that other networks have: why each is refused, and the nearest form that is not.

An op that is not listed is refused, too; this says more of those that people meet.
"""

import difflib
from collections.abc import Collection

import onnx

Reason = tuple[str, str]  # what is wrong, and the remedy

RANDOM = {
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Bernoulli", "Multinomial"),
}
_ONE_TENSOR = "export the network alone: one float32 tensor in, the logits out"
_OWN_QUANTISER = "put a Quant, or Brevitas' QuantIdentity, there"
_GROUPS: tuple[tuple[Collection[str], Reason], ...] = (
    (
        ("ConvTranspose",),
        (
            "transposed convolutions cannot be lowered",
            "end the network before it, or enlarge the image in front of the network",
        ),
    ),
    (
        (
            *("Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "GridSample", "AffineGrid"),
            *("RoiAlign", "MaxRoiPool", "MaxUnpool", "Col2Im", "CenterCropPad"),
        ),
        (
            "moves pixels about, which cannot be lowered",
            "change sizes with strides of Conv and pools, or do it in front of the network",
        ),
    ),
    (
        (
            *("InstanceNormalization", "LayerNormalization", "GroupNormalization"),
            *("RMSNormalization", "LpNormalization", "MeanVarianceNormalization", "LRN"),
        ),
        (
            "normalises by what each image itself holds, which no fixed threshold can do",
            "train with BatchNormalization",
        ),
    ),
    (
        ("LSTM", "GRU", "RNN"),
        ("is recurrent", "wanted a feed-forward network: MatMul, Gemm or Conv by constants"),
    ),
    (
        ("Attention", "MultiHeadAttention", "Einsum", "Det", "TensorScatter", "RotaryEmbedding"),
        (
            "can multiply data by data",
            "wanted layers with constant weights: MatMul, Gemm or Conv",
        ),
    ),
    (
        RANDOM,
        ("gives random numbers", "export in evaluation mode: call model.eval() before the export"),
    ),
    (
        (
            *("QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger"),
            "DynamicQuantizeLinear",
        ),
        (
            "is of a network of 8-bit integers, as quantising after the training makes it",
            "export the network of binary layers before it is quantised, in float32 or as QONNX",
        ),
    ),
    (
        ("If", "Loop", "Scan", "SequenceMap"),
        (
            "is control flow, which cannot be lowered",
            "export with fixed shapes (only the batch may be dynamic) and no branches or loops on"
            " data; onnxsim removes those that always go one way",
        ),
    ),
    (
        (
            *("SequenceConstruct", "SequenceEmpty", "SequenceAt", "SequenceInsert"),
            *("SequenceErase", "SequenceLength", "SplitToSequence", "ConcatFromSequence"),
            *("Optional", "OptionalGetElement", "OptionalHasElement"),
        ),
        ("works on sequences or optional tensors, wanted tensors of fixed shapes", _ONE_TENSOR),
    ),
    (
        (
            *("StringNormalizer", "TfIdfVectorizer", "StringConcat", "StringSplit"),
            *("RegexFullMatch", "LabelEncoder", "ZipMap"),
        ),
        ("works on text or on maps, wanted tensors of numbers", _ONE_TENSOR),
    ),
    (
        ("NonZero", "Unique", "NonMaxSuppression", "Compress"),
        ("gives data whose shape depends on the input", "end the network before it"),
    ),
    (
        (
            *("ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
            *("ReduceLogSum", "ReduceLogSumExp", "LpPool", "GlobalLpPool"),
        ),
        (
            "is no pool that can be lowered",
            "wanted MaxPool, GlobalMaxPool, AveragePool, GlobalAveragePool, ReduceMean or"
            " ReduceSum over height and width",
        ),
    ),
    (
        ("ArgMin", "Hardmax"),
        ("is no way to end a network", "end in the logits, a Softmax, an ArgMax or a TopK"),
    ),
    (
        ("GatherND",),
        (
            "picks elements by a list of places, as x[:, columns] does",
            "in front of the first layer write x.index_select(1, columns); elsewhere put the order"
            " into the weights",
        ),
    ),
    (("FloatQuant",), ("quantises to small floats, wanted bits or integers", _OWN_QUANTISER)),
    (
        ("QuantAvgPool2d",),
        ("sums up and cuts off bits", f"wanted an AveragePool; then {_OWN_QUANTISER}"),
    ),
    (
        ("Im2Col",),
        (
            "is half of a convolution that was made a MatMul",
            "lower the model from before LowerConvsToMatMul, with its Conv",
        ),
    ),
    (
        (
            *("Gelu", "Mish", "Swish", "Shrink", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"),
            *("Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Mod", "BitShift", "IsNaN", "IsInf"),
        ),
        (
            "is no activation that the lowering knows",
            "put the binariser right behind the BatchNormalization, or use Relu, Clip, Tanh,"
            " Sigmoid or HardSwish in front of it",
        ),
    ),
)
_REASONS: dict[str, Reason] = {op: reason for ops, reason in _GROUPS for op in ops}
_DOMAINS: tuple[tuple[str, Reason], ...] = (
    (
        "qonnx.custom_op.channels_last",
        (
            "is in QONNX's channels-last form",
            "lower the model with channels first, (N, C, H, W), from before qonnx's"
            " to_channels_last",
        ),
    ),
    (
        "finn.custom_op.fpgadataflow",
        (
            "is a hardware node of FINN's",
            "lower the model from before FINN converts it to hardware",
        ),
    ),
    (
        "com.microsoft",
        (
            "is an op of onnxruntime's own, as its optimiser and its quantiser write",
            "give the model from before onnxruntime optimised or quantised it",
        ),
    ),
    (
        "ai.onnx.ml",
        ("is of ONNX's classical machine learning, not of a network", _ONE_TENSOR),
    ),
    (
        "ai.onnx.preview.training",
        ("is of a training graph", "export in evaluation mode: call model.eval() first"),
    ),
    (
        "org.pytorch",
        (
            "is an op of PyTorch's that the export left as it was",
            "export without operator_export_type=ONNX_ATEN_FALLBACK; write the op with others",
        ),
    ),
    (
        "pkg.onnxscript",
        (
            "calls a function of PyTorch's exporter that the file does not hold",
            "export again with a newer torch, or with dynamo=False",
        ),
    ),
)
_KNOWN = (
    "wanted MatMul, Gemm or Conv, pools and elementwise ops between them, and one-bit binarisers"
)


def why_refused(op_type: str, opset: int, known: Collection[str]) -> Reason:
    """What is wrong with an op of ONNX or QONNX that is not in `known`, and the remedy.

    Args:
        op_type: the op.
        opset: of the graph.
        known: the ops that can be lowered.
    """
    if op_type in _REASONS:
        return _REASONS[op_type]
    if onnx.defs.has(op_type, max_inclusive_version=opset):
        return "not an op that the lowering knows", _KNOWN
    if onnx.defs.has(op_type):
        since = onnx.defs.get_schema(op_type).since_version
        what = f"ONNX has this op since opset {since}, the graph is of opset {opset}"
        return what, "export it with a newer opset_version"
    by_case = {name.lower(): name for name in known}
    close = [by_case[op_type.lower()]] if op_type.lower() in by_case else []
    close = close or difflib.get_close_matches(op_type, known, n=1, cutoff=0.75)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"ONNX has no such op in opset {opset}", f"{meant}{_KNOWN}"


def why_domain_refused(domain: str) -> Reason:
    """What is wrong with an op of a domain that is neither ONNX's nor QONNX's, and the remedy."""
    for prefix, reason in _DOMAINS:
        if domain == prefix or domain.startswith(f"{prefix}."):
            return reason
    return (
        f"op of the unknown domain {domain}",
        "export standard ONNX or QONNX, before hardware ops are inserted and without custom ops",
    )
