"""What an exact 0 at a Sign becomes, where ONNX's 0 would be no bit."""

from bnnedge.dataflow import ThresholdEncoding
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.errors import LoweringError, named
from bnnedge.lowering.encoding import InputRegion
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.thresholds import Reach, Survey
from bnnedge.lowering.vocabulary import called


def input_bits(
    model: IndexedModel, structure: Structure, sign_zero: SignZero, notes: Notes
) -> tuple[InputRegion, ThresholdEncoding]:
    """By ONNX's own Sign(0) = 0 if that makes bits, else by the user's rule."""
    signs = [node for node in structure.input if node.op_type == "Sign"]
    try:
        region = InputRegion(model, Runner(model), structure)
        return region, region.encoding()
    except LoweringError:
        if not signs:
            raise
    value = -1.0 if sign_zero is SignZero.MINUS else 1.0
    notes.signs |= {node.name: value for node in signs}
    region = InputRegion(model, Runner(model, notes.signs), structure)
    encoding = region.encoding()
    notes.remarks += [
        f"{node}: an input of exactly {zero:.9g} gives Sign a 0; it counts as {value:+.0f}"
        for node, zero in region.sign_zeros(encoding).items()
    ]
    return region, encoding


def what_to_do() -> str:
    """About an exact 0 at a Sign."""
    ways = f"{named('sign_zero', 'plus')} or {named('sign_zero', 'minus')}"
    return f"choose {ways}; or, in torch, write torch.where(x >= 0, 1.0, -1.0) for torch.sign(x)"


def choose_signs(
    nodes: tuple[GraphNode, ...], found: Survey, reach: Reach, sign_zero: SignZero, notes: Notes
) -> bool:
    """Note what an exact 0 at the Signs of `nodes` becomes; False if none is reachable."""
    for node in nodes:
        if node.name not in found.zeros:
            continue
        count, channel, row = found.zeros[node.name]
        text = (
            f"{called(node)}: an exact 0 is reachable in {count} channels"
            f" (channel {channel} at accumulator {reach.values[row]}), where ONNX's Sign"
            " gives 0"
        )
        if sign_zero is SignZero.REFUSE:
            raise LoweringError(text, remedy=what_to_do())
        notes.signs[node.name] = -1.0 if sign_zero is SignZero.MINUS else 1.0
        notes.remarks.append(f"{text}; it counts as {sign_zero.value} 1")
    return bool(found.zeros)
