"""Random plain-ONNX networks are lowered, whatever wrote them, and give the file's own answers.

A thousand of them: `build_scripts/test.sh -m slow tests/lowering/test_random_plain.py`.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from bnnedge.lowering import LoweringConfig, SignZero, lower_model
from tests.lowering.random_plain import RandomPlain

_IN_A_BLOCK = 25
_IMAGES = 12


def _answers(path: Path, x: NDArray[np.generic], batch: int) -> NDArray[np.float32]:
    """Of the file, untouched, image by image."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    rows = [session.run(None, {"x": np.repeat(image[None], batch, 0)})[0][:1] for image in x]
    return np.concatenate(rows).reshape(len(x), -1)


@pytest.mark.parametrize(
    "block", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 41))]
)
def test_random_networks(tmp_path: Path, block: int) -> None:
    for seed in range(block * _IN_A_BLOCK, (block + 1) * _IN_A_BLOCK):
        network = RandomPlain(seed)
        path = network.graph.save(tmp_path / f"net{seed}.onnx", opset=network.opset)
        x = network.inputs(_IMAGES)
        config = LoweringConfig(sign_zero=SignZero.PLUS, check_images=16, input=network.kind)
        got = lower_model(path, config).dataflow.logits(x.astype(np.float32))
        wanted = _answers(path, x, network.batch or 1)
        assert np.array_equal(got, wanted), f"seed {seed}, opset {network.opset}"
