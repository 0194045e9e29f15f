"""What a stage's fingerprint covers, against the real imports; facts that are read back."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

import bnnedge
from bnnedge import stages
from bnnedge.deployment.facts import DEPLOY
from bnnedge.errors import ArtifactError, BnnEdgeWarning
from bnnedge.hardware.facts import RTL
from bnnedge.rooms import SAYING, source_digest, stands_on
from bnnedge.simulation.facts import SIMULATE
from bnnedge.stages import Stage
from bnnedge.steps import STEPS
from bnnedge.synthesis.facts import SYNTH
from bnnedge.training.facts import TRAIN
from bnnedge.vitis_hls.facts import HLS

ROOT = Path(bnnedge.__file__).parent
STAGES = {step.stage.kind: step.stage for step in STEPS} | {HLS.kind: HLS}


def closure(imports: grimp.ImportGraph, rooms: tuple[str, ...]) -> set[str]:
    """The same as `stands_on`, of grimp's import graph."""
    children = {module.split(".")[1] for module in imports.find_children("bnnedge")}
    found: set[str] = set()
    waiting = {room for room in rooms if "/" not in room} | {"__init__"}
    while waiting:
        room = waiting.pop()
        found.add(room)
        name = "bnnedge" if room == "__init__" else f"bnnedge.{room}"
        modules = {name, *(imports.find_descendants(name) if room in children else ())}
        for module in modules:
            for other in imports.find_modules_directly_imported_by(module):
                inner = other.split(".")[1] if "." in other else "__init__"
                waiting |= {inner} - found - SAYING
    return found


def test_a_fingerprint_covers_what_its_rooms_really_import() -> None:
    imports = grimp.build_graph("bnnedge", exclude_type_checking_imports=True)
    for stage in STAGES.values():
        modules = {room for room in stands_on(stage.rooms) if "/" not in room}
        assert modules == closure(imports, stage.rooms), stage.kind


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of bnnedge's sources, whose digests are taken."""
    copy = tmp_path / "bnnedge"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    monkeypatch.setattr(bnnedge, "__file__", str(copy / "__init__.py"))
    yield copy
    forget()


def forget() -> None:
    source_digest.cache_clear()
    stands_on.cache_clear()


def touched(sources: Path, name: str) -> set[str]:
    """The stages that run again after a comment in a file."""

    def digests() -> dict[str, str]:
        forget()
        return {kind: source_digest(stage.rooms) for kind, stage in STAGES.items()}

    before = digests()
    with (sources / name).open("a") as file:
        file.write("\n# a comment\n")
    after = digests()
    return {kind for kind in STAGES if before[kind] != after[kind]}


def test_a_comment_runs_again_what_it_belongs_to_and_no_more(sources: Path) -> None:
    for name in ("reports/style.css.j2", "reports/html.py", "cli.py", "findings/report.py"):
        assert touched(sources, name) == set(), name
    assert touched(sources, "training/loop.py") == {TRAIN.kind}
    assert touched(sources, "sizing/depths.py") == {"fifos"}
    assert touched(sources, "hardware/emit.py") == {RTL.kind, "fifos", HLS.kind}
    kernel = {RTL.kind, "fifos", HLS.kind, SYNTH.kind, "package", DEPLOY.kind}
    assert touched(sources, "hardware/sv/popcount.sv") == kernel
    assert touched(sources, "simulation/check.py") == {"fifos", SIMULATE.kind}
    assert touched(sources, "synthesis/flow.py") == {SYNTH.kind}
    assert touched(sources, "deployment/package.py") == {"package", DEPLOY.kind}
    assert touched(sources, "models/network.py") == {TRAIN.kind, "export"}
    assert touched(sources, "artifacts.py") == {*STAGES}


def test_every_room_is_there() -> None:
    for stage in STAGES.values():
        for room in stage.rooms:
            assert (ROOT / room).is_dir(), room


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """Facts of the stage of these tests."""

    images: int
    share: float | None = None


STAGE = Stage(kind="look", facts=Found, rooms=())


def publish(out: Path, runs: list[str], tool: str = "1") -> stages.Artifact[Found]:
    def write(folder: Path) -> Found:
        runs.append(tool)
        return Found(images=3)

    return STAGE.publish(out, write, config={}, tools=lambda: {"yosys": tool})


def test_another_version_of_a_tool_runs_a_stage_again(tmp_path: Path) -> None:
    runs: list[str] = []
    for tool in ("1", "1", "2"):
        artifact = publish(tmp_path / "out", runs, tool)
    assert runs == ["1", "2"] and artifact.tools == {"yosys": "2"}


def test_facts_are_read_back_as_they_were(tmp_path: Path) -> None:
    artifact = publish(tmp_path / "out", [])
    assert artifact.facts == Found(images=3)
    assert STAGE.load(tmp_path / "out") == artifact


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"images": "3"}, "facts: images: wanted int, got '3'"),
        ({}, "facts: images: is missing"),
        ({"images": 3, "image": 3}, r"facts: top level: unknown key image \(did you mean images\?"),
    ],
)
def test_damaged_facts_are_one_line(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    path = publish(tmp_path / "out", []).folder / "artifact.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"facts": facts}))
    for read in (lambda: STAGE.load(tmp_path / "out"), lambda: publish(tmp_path / "out", [])):
        with pytest.raises(ArtifactError, match=message) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_training_of_bnnedge_0_1_0_is_used_with_a_word(tmp_path: Path) -> None:
    """Its fingerprint was made of the same parts, the sources being those of the whole package."""
    dear = dataclasses.replace(STAGE, precious=True)
    old = {"kind": "look", "config": {}, "inputs": [], "source": "of 0.1.0"}
    record = {
        **{"kind": "look", "bnnedge": "0.1.0", "sources": "of 0.1.0", "config": {}, "edited": []},
        "fingerprint": hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest(),
        **{"files": {}, "tools": {"torch": "1"}, "wall_s": 1.0, "facts": {"images": 9}},
    }
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "artifact.json").write_text(json.dumps(record))
    with pytest.warns(BnnEdgeWarning, match="was trained by other sources of bnnedge"):
        artifact = dear.publish(tmp_path / "out", lambda folder: Found(images=3), config={})
    assert artifact.facts == Found(images=9)
    assert STAGE.publish(
        tmp_path / "out", lambda folder: Found(images=3), config={}
    ).facts == Found(images=3)


def test_facts_of_another_stage_are_refused(tmp_path: Path) -> None:
    publish(tmp_path / "out", [])
    with pytest.raises(ArtifactError, match="out holds what bnnedge look wrote, wanted rtl"):
        RTL.load(tmp_path / "out")
