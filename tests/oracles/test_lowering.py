"""What networks are lowered to is, bit for bit, what is on record.

    pytest tests/oracles/test_lowering.py          # seeded graphs of every dialect
    pytest tests/oracles/test_lowering.py -m ""    # and the zoo, and Brevitas's bnn_pynq: minutes

`lowering.json` holds the beginning of the sha256 of every record and array, and what the facts say,
by network.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from bnnedge.arrays import read_npz
from bnnedge.lowering import LoweringConfig, SignZero
from bnnedge.lowering.fates import Became
from bnnedge.lowering.lower import lower_model
from bnnedge.lowering.tidy import STEPS
from tests.oracles.lowered_networks import EXPORTED, SEEDED

GOLDEN = Path(__file__).parent / "lowering.json"
CONFIG = LoweringConfig(name="network", sign_zero=SignZero.PLUS, check_images=16)


def _found(path: Path, folder: Path) -> dict[str, Any]:
    lowered = lower_model(path, CONFIG)
    folder.mkdir()
    lowered.dataflow.save(folder)
    contents = {"dataflow.json": (folder / "dataflow.json").read_bytes()}
    for name, array in read_npz(folder / "weights.npz").items():
        contents[f"array {name}"] = f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()
    hashes = {name: hashlib.sha256(text).hexdigest()[:16] for name, text in contents.items()}
    nodes = onnx.load(path).graph.node  # each of them once, and what became of it
    assert [fate["node"] for fate in lowered.facts["fates"]] == [node.name for node in nodes]
    made = {node.name for node in lowered.dataflow.nodes} | {step.name for step in STEPS}
    assert made >= {place for fate in lowered.facts["fates"] for place in fate["places"]}
    assert Became.LEFT.value not in {fate["became"] for fate in lowered.facts["fates"]}
    facts = {key: lowered.facts[key] for key in ("layers", "encoding", "lifted", "remarks")}
    return hashes | json.loads(json.dumps(facts))


def _check(name: str, path: Path, folder: Path, request: pytest.FixtureRequest) -> None:
    found = _found(path, folder / "dataflow")
    records: dict[str, Any] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--refresh-golden"):
        records[name] = found
        GOLDEN.write_text(json.dumps(records, indent=0, sort_keys=True) + "\n")
    wanted = records[name]
    different = [what for what in sorted(found | wanted) if found.get(what) != wanted.get(what)]
    assert not different, f"{name}: --refresh-golden records what is there now"


@pytest.mark.parametrize("name", SEEDED)
def test_a_seeded_network_is_lowered_as_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = SEEDED[name]().save(tmp_path / "network.onnx")
    _check(name, path, tmp_path, request)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_network_is_lowered_as_recorded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    EXPORTED[name](tmp_path / "network.onnx")
    _check(name, tmp_path / "network.onnx", tmp_path, request)


def test_every_network_is_on_record_and_no_other() -> None:
    assert json.loads(GOLDEN.read_text()).keys() == {*SEEDED, *EXPORTED}
