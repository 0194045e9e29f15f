"""Which element of the graph's input each element of the first layer's data depends on."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner, Tensors
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.vocabulary import INPUT_ONLY, MAX_POOLS, RESHAPING, called

_CONSTANT = -1.0  # the "index" of an element that does not depend on the input


def sources_of(model: IndexedModel, runner: Runner, structure: Structure) -> NDArray[np.int64]:
    """For each bit the flat index of the input element that it depends on, or −1."""
    shape = model.shape(structure.source)
    elements = int(np.prod(shape))
    at: Tensors = {structure.source: np.arange(elements, dtype=np.float32).reshape(shape)}
    for node in structure.input:
        if node.op_type in MAX_POOLS or not any(name in at for name in node.input):
            continue  # behind what is encoded
        if node.op_type in RESHAPING | INPUT_ONLY:
            feeds = {name: at[name] for name in node.input if name in at}
            if node.op_type == "Concat":
                at[node.output[0]] = _concatenate(model, node, feeds)
                continue
            made = runner.run([node], feeds)
            at |= {name: made[name] for name in node.output}
        else:
            out = model.known_shape(node.output[0])
            if out is None or out[0] != 1:
                raise LoweringError(
                    f"{called(node)}: mixes the images of a batch",
                    remedy="keep the batch as the first dimension",
                )
            given = [np.broadcast_to(at[name], out) for name in node.input if name in at]
            merged = np.maximum.reduce(given)
            if any(((part != merged) & (part != _CONSTANT)).any() for part in given):
                raise LoweringError(
                    f"{called(node)}: mixes elements of the input",
                    remedy="do that before the data reach the network",
                )
            at[node.output[0]] = merged
    bits = at[structure.encoded]
    return bits.reshape(-1).astype(np.int64)


def _concatenate(model: IndexedModel, node: GraphNode, given: Tensors) -> Array:
    """Indices of a Concat; constants that it joins in depend on no input."""
    parts = [
        given[name] if name in given else np.full(model.shape(name), _CONSTANT, np.float32)
        for name in node.input
    ]
    return np.concatenate(parts, axis=node.integer("axis", 1))
