"""A layer as alkaid builds it: `alkaid_layer.py LAYER.npz FOLDER STAGES`, run where alkaid is.

LAYER.npz holds `weights` (MH, MW) of bits, `thresholds` (MH,) and `invert` (MH,), of a `XnorMvu`.
"""

import sys

import numpy as np
from alkaid.codegen import RTLModel
from alkaid.trace import FVArray, HWConfig, trace

_IMAGES = 4096


def main(layer: str, folder: str, stages: int) -> None:
    """Write Verilog of a module `layer`, once it did what the layer does."""
    node = np.load(layer)
    signs = 2 * node["weights"].astype(np.int64) - 1
    # Of agreements p = x · signs + #(signs < 0).
    limits = node["thresholds"].astype(np.int64) - (signs < 0).sum(1)
    invert = node["invert"].astype(bool)
    zeros, ones = np.zeros(signs.shape[1], int), np.ones(signs.shape[1], int)
    bits = FVArray.from_kif(
        zeros, ones, zeros, HWConfig(1, -1, -1), solver_options={"binary_lut": False}
    )
    sums = bits @ signs.T.astype(float)
    rows = zip(sums, limits.tolist(), invert.tolist(), strict=True)
    outputs = FVArray(np.array([s < t if i else s >= t for s, t, i in rows], dtype=object))
    logic = trace(bits, outputs)
    x = np.random.default_rng(0).integers(0, 2, (_IMAGES, signs.shape[1]))
    wanted = (x @ signs.T >= limits) ^ invert
    assert (logic.predict(x.astype(float)) == wanted).all()
    RTLModel(logic, folder, "layer", n_stages=stages).write()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
