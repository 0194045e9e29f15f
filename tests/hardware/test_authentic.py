"""RTL folders of others: what is compiled is what bnnedge writes, and nothing leads out of them."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import bnnedge
from bnnedge import artifacts
from bnnedge.artifacts import folder_hashes, permitting
from bnnedge.cli import main
from bnnedge.design import TOP_MODULE, Design
from bnnedge.errors import ArtifactError, BnnEdgeError, BnnEdgeWarning, DesignError
from bnnedge.hardware import RtlConfig, emit, own_copy
from tests.networks import random_mlp
from tests.networks.branches import one_residual

CORE = f"sv/{TOP_MODULE}.sv"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    (folder / "dataflow").mkdir()
    random_mlp((12, 6, 4), classes=True).save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=10e6), folder / "rtl").folder


@pytest.fixture
def rtl(original: Path, tmp_path: Path) -> Path:
    """As somebody else would send it: consistent, without our record of it."""
    return shutil.copytree(
        original, tmp_path / "rtl", ignore=shutil.ignore_patterns("artifact.json")
    )


def test_the_copy_is_the_folder(original: Path) -> None:
    for trust in (False, True):
        with own_copy(original, trust=trust) as copy:
            assert folder_hashes(copy) == folder_hashes(original)
            assert (copy / "artifact.json").is_file()
        assert not copy.exists()


def test_given_fifo_depths_are_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "dataflow").mkdir()
    one_residual(5).save(tmp_path / "dataflow")
    depths = tmp_path / "fifos.json"
    depths.write_text(json.dumps({"4_sum_b_fifo": 40}))
    config = RtlConfig(target_fps=1e5, fifo_depths=depths)
    folder = emit(tmp_path / "dataflow", config, tmp_path / "rtl").folder
    with own_copy(folder) as copy:
        assert folder_hashes(copy) == folder_hashes(folder)
    (folder / "artifact.json").unlink()
    (folder / "fifos.json").write_text(json.dumps({"4_sum_b_fifo": 41}))
    with pytest.raises(DesignError, match="is not what bnnedge writes"), own_copy(folder):
        pass


def test_every_file_counts(rtl: Path) -> None:
    """One changed byte, or a missing file, is refused; the file is named."""
    for path in sorted(p for p in rtl.rglob("*") if p.is_file() and p.parent.name != "dataflow"):
        content = path.read_bytes()
        for changed in (content[:-2] + bytes([content[-2] ^ 1]) + content[-1:], None):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            with pytest.raises(BnnEdgeError, match=path.name), own_copy(rtl):
                pass
        path.write_bytes(content)
    with own_copy(rtl):
        pass


@pytest.mark.parametrize("verb", ["simulate", "synth", "hls", "fifos"])
def test_altered_system_verilog_is_not_run(rtl: Path, tmp_path: Path, verb: str) -> None:
    core = rtl / CORE
    run = f'  initial $system("touch {tmp_path}/pwned");\nendmodule'
    core.write_text(core.read_text().replace("endmodule", run))
    words = ["--board", "ulx3s-85f"] if verb == "synth" else []
    words += ["--images", "2"] if verb == "simulate" else ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [verb, str(rtl), *words])
    assert result.exit_code == 1
    assert f"{core} is not what bnnedge writes" in result.stderr
    assert "--trust" in result.stderr and result.stderr.count("\n") <= 2
    assert not (tmp_path / "pwned").exists() and not (tmp_path / "out").exists()


def test_trust_takes_what_is_there(rtl: Path, tmp_path: Path) -> None:
    core = rtl / CORE
    core.write_text(core.read_text() + "// mine\n")
    with own_copy(rtl, trust=True) as copy:
        assert (copy / CORE).read_text() == core.read_text()
    (rtl / "mem" / "0_mvu0_weights.mem").write_text("weights")
    result = CliRunner().invoke(main, ["hls", str(rtl), "-o", str(tmp_path / "out"), "--trust"])
    assert "0_mvu0_weights.mem: wanted hexadecimal words" in result.stderr
    path = rtl / "design.json"
    path.write_text(path.read_text().replace('"interval_cycles": ', '"interval_cycles": 1'))
    with pytest.raises(DesignError, match="design.json is not what"), own_copy(rtl, trust=True):
        pass


def test_another_version_is_named_as_the_cause(original: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(original, tmp_path / "older")
    popcount = folder / "sv" / "popcount.sv"
    popcount.write_text(popcount.read_text() + "// as it was\n")
    record = json.loads((folder / "artifact.json").read_text())
    record |= {"bnnedge": "0.1.7", "files": folder_hashes(folder)}
    (folder / "artifact.json").write_text(json.dumps(record))
    with pytest.raises(DesignError) as refused, own_copy(folder):
        pass
    assert str(refused.value) == (
        f"{folder} was written by bnnedge '0.1.7', this is {bnnedge.__version__}, which writes"
        " another sv/popcount.sv — run bnnedge rtl again"
    )
    popcount.write_text(popcount.read_text() + "// mine\n")  # then that is the cause
    refusal = pytest.raises(DesignError, match="is not what bnnedge writes")
    with permitting(accept_edited=True), pytest.warns(BnnEdgeWarning), refusal, own_copy(folder):
        pass


def test_edits_are_remembered(original: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(original, tmp_path / "mine")
    (folder / CORE).write_text((folder / CORE).read_text() + "// mine\n")
    with pytest.raises(ArtifactError, match=f"{CORE} is not as"), own_copy(folder, trust=True):
        pass
    with (
        permitting(accept_edited=True),
        pytest.warns(BnnEdgeWarning, match="used as it is"),
        own_copy(folder, trust=True) as copy,
    ):
        assert artifacts.load(copy).edited == (f"mine/{CORE}",)
        assert artifacts.load(copy).changed() == ()


def test_what_lies_beside_does_not_matter(rtl: Path) -> None:
    for name in ("sv/stray.sv", "bnnedge_core.sv", "sv/stray.vh", "mem/stray.mem", "x.v"):
        (rtl / name).write_text("`include `")
    (rtl / "sv" / "link.sv").symlink_to("/etc/hostname")
    for trust in (False, True):
        with own_copy(rtl, trust=trust) as copy:
            assert not [p for p in copy.rglob("*") if "stray" in p.name or p.is_symlink()]


def test_a_change_meanwhile_does_not_matter(rtl: Path) -> None:
    before = folder_hashes(rtl)
    with own_copy(rtl) as copy:
        shutil.rmtree(rtl)
        assert folder_hashes(copy) == before


@pytest.mark.parametrize("name", [CORE, "mem/0_mvu0_weights.mem"])
def test_links_out_of_the_folder_are_refused(rtl: Path, tmp_path: Path, name: str) -> None:
    shutil.move(rtl / name, tmp_path / "outside")
    (rtl / name).symlink_to(tmp_path / "outside")
    for trust in (False, True):
        with pytest.raises(DesignError, match="got a link out of it"), own_copy(rtl, trust=trust):
            pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(sources=["../../etc/passwd", *d["sources"]]), "inside of the folder"),
        (lambda d: d.update(memories=["/etc/passwd"]), "inside of the folder"),
        (lambda d: d.update(name="$(x)"), "name: wanted 1 to 64"),
        (lambda d: d.update(version=2), "wanted format version 1, got '2' — run bnnedge rtl again"),
        (lambda d: d.update(version=True), "wanted format version 1"),
        (lambda d: d.update(extra=1), "unknown key extra"),
        (lambda d: d.update(combs="1"), "combs: wanted int, got '1'"),
        (lambda d: d.update(id_word=1 << 32), "id_word: wanted 32 bits"),
        (lambda d: d.update(input_width_bits=9), "input_width_bits: 9 is impossible"),
        (lambda d: d["kernels"][0].update(name="a; $(x)"), "kernel: wanted letters"),
        (lambda d: d["streams"].append("a to b"), "wanted a kernel at both ends"),
        (lambda d: d["kernels"][1].update(node="absent"), "node: 'absent' is none"),
        (lambda d: d["kernels"].reverse(), "cannot take"),
        (lambda d: d["layers"][0].update(pe=0), "layer mvu0: pe: wanted 1 to"),
        (lambda d: (d.pop("version"), d.update(bnnedge="0.1.0")), "got that of bnnedge 0.1.0"),
        (lambda d: d.pop("kernels"), "kernels: is missing"),
    ],
)
def test_impossible_designs_are_refused(
    rtl: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    record = json.loads((rtl / "design.json").read_text())
    change(record)
    (rtl / "design.json").write_text(json.dumps(record, indent=1) + "\n")
    with pytest.raises(DesignError) as caught:
        Design.load(rtl)
    assert message in str(caught.value)
    assert "run bnnedge rtl again" in str(caught.value)


def test_any_change_of_a_design_is_refused(rtl: Path) -> None:
    """Most are found by the design's own checks; the rest is not what bnnedge writes."""
    text = (rtl / "design.json").read_text()
    rng = random.Random(0)
    impossible = 0
    for _ in range(60):
        record = json.loads(text)
        part, key = rng.choice(list(_places(record)))
        values = (0, -1, 1 << 70, 1.5, None, True, "", "../x", [], {}, "\u202e", 7)
        part[key] = rng.choice([value for value in values if value != part[key]])
        (rtl / "design.json").write_text(json.dumps(record, indent=1) + "\n")
        try:
            Design.load(rtl)
        except DesignError:
            impossible += 1
        with pytest.raises(DesignError), own_copy(rtl):
            pass
    assert impossible > 45


def _places(value: Any) -> Any:
    """Every (table or list, key or index) in a JSON value."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
