"""Exports of stored networks have recorded hashes: of arrays and graphs, not of files.

A processor, a library or a change that gives other constants or other thresholds fails here, by
the name of what differs.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.json_format import MessageToDict
from numpy.typing import NDArray

from bnnedge.dataflow.record import to_record
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.lowering import LoweringConfig
from bnnedge.lowering.lower import lower_model
from bnnedge.models.pretrained.cards import ModelCard
from bnnedge.models.pretrained.load import load_card

GOLDEN = Path(__file__).parent / "golden"
_EXACT_OPS = {
    *("Add", "Mul", "Sub", "BipolarQuant", "Quant", "Gemm", "Conv", "MaxPool", "ReduceSum"),
    *("Concat", "Pad", "Reshape", "Slice", "Unsqueeze"),
}


def _array_hash(array: NDArray[Any]) -> str:
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def _json_hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _hashes(name: str, folder: Path) -> dict[str, dict[str, str]]:
    """What there is to compare of a stored network, its export and its Dataflow, by name."""
    model = load_card(ModelCard.load(name))
    norms: dict[str, str] = {}
    for layer, weighted in model.layers.items():
        scale, shift = (tensor.detach().numpy() for tensor in weighted.norm.scale_and_shift())
        norms |= {f"{layer}.scale": _array_hash(scale), f"{layer}.shift": _array_hash(shift)}
    graph = to_qonnx(model)
    assert {node.op_type for node in graph.graph.node} <= _EXACT_OPS
    onnx.save(graph, folder / f"{name}.onnx")
    dataflow = lower_model(folder / f"{name}.onnx", LoweringConfig(check_images=8)).dataflow
    record, arrays = to_record(**vars(dataflow))
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.graph.initializer}
    del graph.graph.initializer[:]
    return {
        "norms": norms,
        "QONNX": {
            "graph": _json_hash(MessageToDict(graph.graph)),
            **{tensor: _array_hash(array) for tensor, array in constants.items()},
        },
        "Dataflow": {
            "graph": _json_hash(record),
            **{tensor: _array_hash(array) for tensor, array in arrays.items()},
        },
    }


@pytest.mark.parametrize(
    "name",
    [
        "tfc_mnist",
        pytest.param("lenet5_mnist", marks=pytest.mark.slow),
        pytest.param("resnet_fashion_mnist", marks=pytest.mark.slow),
    ],
)
def test_a_stored_network_exports_and_lowers_as_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path, found = GOLDEN / f"{name}.json", _hashes(name, tmp_path)
    if request.config.getoption("--refresh-golden"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    wanted = json.loads(path.read_text())
    different = [
        f"{part}: {what}"
        for part in sorted(found.keys() | wanted.keys())
        for what in sorted(found.get(part, {}).keys() | wanted.get(part, {}).keys())
        if found.get(part, {}).get(what) != wanted.get(part, {}).get(what)
    ]
    assert not different, "--refresh-golden records what is there now"
