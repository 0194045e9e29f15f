"""QuantizeLinear, Clip, DequantizeLinear → Quant, which gives the same float32 numbers.

What lies between a QuantizeLinear and a DequantizeLinear is integers q; here it is (q − z)·s from
the start, and what only moves or picks values stays as it is.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import Array, GraphNode
from bnnedge.lowering.passes.rewriter import Attribute, Rewriter
from bnnedge.lowering.vocabulary import MAX_POOLS, RESHAPING, called

_MOVES = RESHAPING | MAX_POOLS | {"Identity", "Slice", "Gather", "Expand", "Tile"}
_REMEDY = "export with one scale and one zero point per activation, stored as constants"
_MOST_BITS = 8


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """What an integer tensor stands for: (q − zero) · scale."""

    scale: float
    zero: int


def read_qcdq(model: onnx.ModelProto) -> bool:
    """Rewrite the data's quantisers; those of constants are folded later. Whether there are any.

    Raises:
        LoweringError: a quantiser has a scale per channel, or is dequantised in another way.
    """
    if not any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node):
        return False
    rewriter = Rewriter(model)
    data = {value.name for value in model.graph.input} - rewriter.constants.keys()
    grids: dict[str, _Grid] = {}
    for node in rewriter.nodes:
        if not data & set(node.input):
            rewriter.keep(node)
            continue
        data.update(node.output)
        grid = grids.get(node.input[0])
        if node.op_type == "QuantizeLinear":
            grids[node.output[0]] = _quantise(rewriter, node)
        elif node.op_type == "DequantizeLinear":
            _dequantise(rewriter, node, grid)
        elif grid is not None and node.op_type == "Clip":
            low, high = _bounds(rewriter, node)
            _clip(rewriter, node, node.input[0], node.output[0], grid, low, high)
            grids[node.output[0]] = grid
        elif grid is not None and node.op_type not in _MOVES:
            raise LoweringError(
                f"{called(node)}: computes with what is quantised, before it is dequantised",
                remedy="export a QCDQ graph, whose integers go from QuantizeLinear through Clip"
                " to DequantizeLinear, or QONNX",
            )
        else:
            rewriter.keep(node)
            if grid is not None:
                grids[node.output[0]] = grid
    return rewriter.finish()


def _quantise(rewriter: Rewriter, node: GraphNode) -> _Grid:
    grid = _grid(rewriter, node)
    kind = _type(rewriter, node)
    if kind not in ("uint8", "int8", "uint4", "int4"):
        raise LoweringError(
            f"{called(node)}: quantises to {kind}, wanted 8 bits or less",
            remedy="quantise activations to 8 bits or less",
        )
    bits = 4 if kind.endswith("4") else 8
    low = -(1 << bits - 1) if kind.startswith("int") else 0
    low, high = low - grid.zero, low + (1 << bits) - 1 - grid.zero
    bounds = rewriter.read.readers(node.output[0])
    if len(bounds) == 1 and bounds[0].op_type == "Clip":  # as Brevitas narrows the range
        least, most = _bounds(rewriter, bounds[0])
        low, high = max(low, least - grid.zero), min(high, most - grid.zero)
    bits, signed, narrow = _range(low, high)
    values = [rewriter.constant(value, node.output[0]) for value in (grid.scale, 0, bits)]
    attributes: dict[str, Attribute] = {
        "signed": signed,
        "narrow": narrow,
        "rounding_mode": "ROUND",
    }
    largest = (1 << bits - signed) - 1
    whole = (-largest - 1 + narrow) * signed, largest - (narrow and not signed)
    if whole == (low, high):
        rewriter.make("Quant", [node.input[0], *values], node, node.output[0], **attributes)
    else:
        made = rewriter.make("Quant", [node.input[0], *values], node, **attributes)
        scale = np.float32(grid.scale)
        rewriter.clip(made, float(low * scale), float(high * scale), node, node.output[0])
    return grid


def _type(rewriter: Rewriter, node: GraphNode) -> str:
    """Of the integers: as the zero point, else as `output_dtype` says (opset 21), or uint8."""
    zero = rewriter.read.constant(node, 2)
    if zero is not None:
        return zero.dtype.name
    said = node.integer("output_dtype", 0) or onnx.TensorProto.UINT8
    return str(onnx.TensorProto.DataType.Name(said)).lower()


def _range(low: int, high: int) -> tuple[int, int, int]:
    """Bits, signed, narrow of the smallest Quant that has low … high."""
    bits = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + (low < 0)
    bits = max(bits, 2 if low < 0 else 1)
    return bits, int(low < 0), int(low < 0 and (low, high) == (1 - (1 << bits - 1), -low))


def _dequantise(rewriter: Rewriter, node: GraphNode, grid: _Grid | None) -> None:
    wanted = _grid(rewriter, node)
    if grid is None:  # integers that come from outside
        tensor = rewriter.make("Cast", [node.input[0]], node, to=onnx.TensorProto.FLOAT)
        if wanted.zero:
            zero = rewriter.constant(wanted.zero, node.output[0])
            tensor = rewriter.make("Sub", [tensor, zero], node)
        scale = rewriter.constant(wanted.scale, node.output[0])
        rewriter.make("Mul", [tensor, scale], node, node.output[0])
    elif grid == wanted:
        rewriter.make("Identity", [node.input[0]], node, node.output[0])
    else:
        raise LoweringError(
            f"{called(node)}: dequantises by scale {wanted.scale:g} and zero point {wanted.zero}"
            f" what was quantised by {grid.scale:g} and {grid.zero}",
            remedy="dequantise as it was quantised",
        )


def _clip(
    rewriter: Rewriter, node: GraphNode, tensor: str, output: str, grid: _Grid, low: int, high: int
) -> None:
    scale = np.float32(grid.scale)
    least, most = (float((end - grid.zero) * scale) for end in (low, high))
    rewriter.clip(tensor, least, most, node, output)


def _grid(rewriter: Rewriter, node: GraphNode) -> _Grid:
    scale = rewriter.constants.get(node.input[1])
    zero: Array | None = np.zeros(1)
    if len(node.input) > 2 and node.input[2]:
        zero = rewriter.constants.get(node.input[2])
    if scale is None or zero is None or scale.size != 1 or zero.size != 1:
        shown = "no constant" if scale is None or zero is None else f"{max(scale.size, zero.size)}"
        raise LoweringError(
            f"{called(node)}: wanted one constant scale and zero point, got {shown}",
            remedy=_REMEDY,
        )
    return _Grid(scale=float(scale.reshape(-1)[0]), zero=int(zero.reshape(-1)[0]))


def _bounds(rewriter: Rewriter, node: GraphNode) -> tuple[int, int]:
    """The least and the largest integer that a Clip leaves."""
    found = [-(1 << _MOST_BITS), 1 << _MOST_BITS]
    for place, name in enumerate(node.input[1:3]):
        if name and (value := rewriter.constants.get(name)) is not None:
            found[place] = int(value.reshape(-1)[0])
    return found[0], found[1]
