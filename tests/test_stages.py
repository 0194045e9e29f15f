"""What a stage's fingerprint covers, against the real imports; facts that are read back."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import grimp
import pytest

import bnnedge
from bnnedge import pipeline, stages
from bnnedge.deployment.facts import DEPLOY
from bnnedge.errors import ArtifactError, BnnEdgeWarning
from bnnedge.hardware.facts import RTL
from bnnedge.simulation.facts import SIMULATE
from bnnedge.stages import GROUND, Stage, source_digest
from bnnedge.synthesis.facts import SYNTH
from bnnedge.training.facts import TRAIN
from bnnedge.vitis_hls.facts import HLS

ROOT = Path(bnnedge.__file__).parent
STAGES = {step.stage.kind: step.stage for step in pipeline._STEPS} | {HLS.kind: HLS}
# What is said of artifacts, but changes no byte of one.
SAYING = {"findings"}


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("bnnedge", exclude_type_checking_imports=True)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def reached(imports: grimp.ImportGraph, rooms: set[str]) -> set[str]:
    """The rooms that these import, directly or through others."""
    found = set()
    for room in rooms:
        if "/" in room:  # a folder of files that are no modules
            continue
        name = "bnnedge" if room == "__init__" else f"bnnedge.{room}"
        for module in {name, *(imports.find_descendants(name) if room != "__init__" else ())}:
            found |= {module, *imports.find_upstream_modules(module)}
    return {room_of(module) for module in found}


@pytest.mark.parametrize("kind", STAGES)
def test_a_fingerprint_covers_what_its_rooms_import(kind: str, imports: grimp.ImportGraph) -> None:
    rooms = set(STAGES[kind].rooms)
    missing = reached(imports, rooms) - rooms - {*GROUND} - SAYING
    assert not missing, f"{kind}: rooms wants {', '.join(sorted(missing))}, too"
    assert not rooms & {*GROUND}


@pytest.mark.parametrize("kind", STAGES)
def test_a_fingerprint_covers_nothing_that_its_room_does_not_import(
    kind: str, imports: grimp.ImportGraph
) -> None:
    first, *others = STAGES[kind].rooms
    assert {room for room in others if "/" not in room} <= reached(imports, {first})


def test_the_ground_stands_on_itself(imports: grimp.ImportGraph) -> None:
    assert reached(imports, {*GROUND}) <= {*GROUND} | SAYING


def test_a_room_that_is_forgotten_is_found(imports: grimp.ImportGraph) -> None:
    assert "dataflow" in reached(imports, {"hardware"})
    assert "verilated" in reached(imports, {"simulation"}) - {"simulation"}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bnnedge of one file a room."""
    rooms = {room for stage in STAGES.values() for room in stage.rooms}
    for room in {*rooms, *GROUND, "reports", "cli"}:
        real = ROOT / room
        path = tmp_path / (f"{room}/module.py" if real.is_dir() else f"{room}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    monkeypatch.setattr(bnnedge, "__file__", str(tmp_path / "__init__.py"))
    return tmp_path


def touched(sources: Path, name: str) -> set[str]:
    """The stages that run again after a comment in a file."""

    def digests() -> dict[str, str]:
        source_digest.cache_clear()
        return {kind: source_digest(stage.rooms) for kind, stage in STAGES.items()}

    before = digests()
    with (sources / name).open("a") as file:
        file.write("# a comment\n")
    after = digests()
    source_digest.cache_clear()
    return {kind for kind in STAGES if before[kind] != after[kind]}


def test_a_comment_runs_again_what_it_belongs_to_and_no_more(sources: Path) -> None:
    (sources / "reports" / "style.css.j2").write_text("body {}")
    assert touched(sources, "reports/style.css.j2") == set()
    assert touched(sources, "reports/module.py") == touched(sources, "cli.py") == set()
    assert touched(sources, "training/module.py") == {TRAIN.kind}
    assert touched(sources, "sizing/module.py") == {"fifos"}
    assert touched(sources, "hardware/module.py") == {RTL.kind, "fifos", HLS.kind}
    assert touched(sources, "simulation/module.py") == {"fifos", SIMULATE.kind}
    assert touched(sources, "synthesis/module.py") == {SYNTH.kind}
    assert touched(sources, "deployment/module.py") == {"package", DEPLOY.kind}
    assert touched(sources, "models/module.py") == {TRAIN.kind, "export"}
    assert touched(sources, "artifacts.py") == {*STAGES}


def test_every_room_is_there() -> None:
    for stage in STAGES.values():
        for room in {*stage.rooms, *GROUND}:
            assert (ROOT / room).is_dir() or (ROOT / f"{room}.py").is_file(), room


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
