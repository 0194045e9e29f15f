"""What onnxruntime makes of the whole graph, where it fuses nodes and rounds otherwise."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.lowering.check import Original
from bnnedge.lowering.execute import session_of

_MOST_IMAGES = 32
_PRODUCTS = 1 << 30  # multiplications that a remark is worth
_NOISE = 1e-4  # of the largest output: far above a rounding in the tail, below one accumulator


def fusion_remark(original: Original, x: NDArray[np.float32]) -> str | None:
    """A remark if onnxruntime with all its optimisations gives other outputs than node by node.

    It folds a BatchNormalization, or a scale and a shift, into the layer before. Where the result
    is 0 or next to it, the sign of a rounding error decides a bit.

    Args:
        original: the graph; those with qonnx's nodes are not onnxruntime's to run.
        x: inputs (N, *shape); some are tried.
    """
    model, source = original.model, original.structure.source
    is_plain = all(node.domain in ("", "ai.onnx") for node in model.nodes)
    if not is_plain or original.signs or model.source != source:
        return None
    images = min(_MOST_IMAGES, max(1, _PRODUCTS // max(1, original.costs()[0])))
    x = x[:: -(-len(x) // images)]
    result = original.structure.result
    wanted = original.run(x)[result].reshape(len(x), -1)
    try:
        session = session_of(model.proto, optimised=True)
        names = [value.name for value in session.get_outputs()]
        if result not in names:
            return None
        made = [session.run([result], {source: image[None]})[0] for image in x]
    except Exception:  # onnxruntime raises whatever it trips over; nothing here depends on it
        return None
    got = np.concatenate(made).reshape(len(x), -1)
    different = np.abs(got - wanted).max(axis=1) > _NOISE * np.abs(wanted).max(initial=0)
    if not different.any():
        return None
    return (
        f"onnxruntime gives other outputs for {int(different.sum())} of {len(x)} images if it may"
        " fuse nodes, because sums next to a threshold are then rounded otherwise; what is lowered"
        " is each node by itself, as with its graph optimisations off (ORT_DISABLE_ALL)"
    )
