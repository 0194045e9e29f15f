"""The named networks as Dataflows with random weights, and the same layers in float32."""

import itertools

import numpy as np
import onnx

from bnnedge import dataflow as df


def _matrix(name: str, rows: int, columns: int, *, last: bool = False) -> df.XnorMvu:
    rng = np.random.default_rng(rows + columns)
    return df.XnorMvu(
        name=name,
        weights=rng.integers(0, 2, (rows, columns), dtype=np.uint8),
        thresholds=None if last else np.full(rows, columns // 2),
        invert=None if last else rng.random(rows) < 0.5,
    )


def _logits(columns: int) -> df.OutputTable:
    values = np.tile(np.arange(-columns, columns + 1, 2, dtype=np.float32), (10, 1))
    return df.OutputTable(values=values, classes=False, low=-columns)


def dense_network(*widths: int) -> df.Dataflow:
    sizes = list(itertools.pairwise(widths))
    encoding = df.ThresholdEncoding(
        name="one_bit",
        input_shape=(widths[0],),
        output_shape=(widths[0],),
        source=np.arange(widths[0]),
        threshold=np.full(widths[0], 128.0),
        invert=np.zeros(widths[0], np.bool_),
    )
    matrices = tuple(
        _matrix(f"mvu{index}", rows, columns, last=index == len(sizes) - 1)
        for index, (columns, rows) in enumerate(sizes)
    )
    return df.Dataflow(name="dense", input=encoding, nodes=matrices, output=_logits(widths[-2]))


def lfc() -> df.Dataflow:
    return dense_network(784, 1024, 1024, 1024, 10)


def cnv() -> df.Dataflow:
    """BNN-PYNQ's CNV on 8-bit images."""
    source = np.arange(3072).reshape(3, 32, 32).transpose(1, 2, 0).reshape(-1)
    encoding = df.IntegerEncoding(
        name="uint8",
        input_shape=(3, 32, 32),
        output_shape=(32, 32, 3),
        source=source,
        element=df.ElementType(width_bits=8),
        steps=np.arange(1, 256, dtype=np.float32)[None],
    )
    first = _matrix("mvu0", 64, 27)
    nodes: list[df.Node] = [
        df.SlidingWindow(name="window0", window=df.Window(kernel=(3, 3))),
        df.IntegerMvu(
            name="mvu0",
            weights=first.weights,
            thresholds=np.zeros(64, np.int32),
            invert=np.zeros(64, np.bool_),
        ),
    ]
    channels = (64, 64, 128, 128, 256, 256)
    for index, (before, after) in enumerate(itertools.pairwise(channels), 1):
        nodes.append(df.SlidingWindow(name=f"window{index}", window=df.Window(kernel=(3, 3))))
        nodes.append(_matrix(f"mvu{index}", after, 9 * before))
        if index in (1, 3):
            half = df.Window(kernel=(2, 2), stride=(2, 2))
            pool = df.MaxPool(
                name=f"pool{index}", window=half, conjunction=np.zeros(after, np.bool_)
            )
            nodes.append(pool)
    dense = (
        _matrix("mvu6", 512, 256),
        _matrix("mvu7", 512, 512),
        _matrix("mvu8", 10, 512, last=True),
    )
    return df.Dataflow(
        name="cnv",
        input=encoding,
        nodes=(*nodes, df.Flatten(name="flatten"), *dense),
        output=_logits(512),
    )


def float_model(network: df.Dataflow) -> onnx.ModelProto:
    """The network's layers as Conv, Gemm, Sign and MaxPool, biases in place of BatchNorms."""
    nodes, weights, value = [], [], "x"

    def add(kind: str, *inputs: str, **attributes: object) -> None:
        nonlocal value
        output = f"{kind}{len(nodes)}"
        nodes.append(onnx.helper.make_node(kind, [value, *inputs], [output], **attributes))
        value = output

    kernel = None
    for node in network.nodes:
        match node:
            case df.SlidingWindow():
                kernel = node.window.kernel
            case df.MaxPool():
                add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            case df.Flatten():
                add("Flatten")
            case df.XnorMvu() | df.IntegerMvu():
                matrix = 2 * node.weights.astype(np.float32) - 1
                if kernel:
                    matrix = matrix.reshape(node.mh, *kernel, -1).transpose(0, 3, 1, 2)
                names = (f"{node.name}_weights", f"{node.name}_bias")
                bias = np.full(node.mh, 0.5, np.float32)
                for name, array in zip(names, (matrix, bias), strict=True):
                    weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
                if kernel:
                    add("Conv", *names)
                else:
                    add("Gemm", *names, transB=1)
                if node.thresholds is not None:
                    add("Sign")
                kernel = None
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "float",
        [onnx.helper.make_tensor_value_info("x", real, ["n", *network.input.input_shape])],
        [onnx.helper.make_tensor_value_info(value, real, ["n", 10])],
        weights,
    )
    opset = onnx.helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
