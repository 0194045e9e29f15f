"""What a user should know about an exported network, one line each."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bnnedge.models.network import Network
from bnnedge.ops.sparse_linear import SparseLinear


def remarks(model: Network, ties: Mapping[str, int], logits: NDArray[np.float32]) -> list[str]:
    """Exact zeros where a sign or a largest logit is looked for.

    Args:
        model: the network.
        ties: by layer, how many (channel, accumulator) pairs give a sign an exact 0.
        logits: of the test images, (N, classes).
    """
    found = []
    for name, layer in model.layers.items():
        weights = layer.weights.weight
        zeros = weights.numel() - int(weights.count_nonzero())
        may_be_0 = layer.weights.is_ternary or isinstance(layer.weights, SparseLinear)
        if zeros and not may_be_0:
            found.append(
                f"{name}: {zeros} of {weights.numel()} latent weights are exactly 0 and count as"
                " +1, here as in PyTorch; ±1 has no 0: to leave inputs out, leave them out of the"
                " layer, else start and keep latent weights off 0"
            )
    if ties:
        counts = ", ".join(f"{name} {count}" for name, count in ties.items())
        found.append(
            "exact zeros in front of a sign, which count as +1, here as in PyTorch, are reachable"
            f" in so many pairs of channel and accumulator: {counts}; a runtime that fuses scale"
            " and shift into the layer before, as onnxruntime does, can round them to -1"
        )
    best = np.sort(logits, axis=1)[:, -2:]
    tied = int((best[:, 0] == best[:, -1]).sum()) if best.shape[1] > 1 else 0
    if tied:
        found.append(
            f"{tied} of {len(logits)} test images have two largest logits: the class of the lowest"
            " index is taken, here and in hardware; other software may take another"
        )
    return found
