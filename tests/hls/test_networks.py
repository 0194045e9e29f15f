"""Whole networks as HLS C++: equal to their Dataflow, without a warning of the compiler."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bnnedge import tools, verbs
from bnnedge.artifacts import permitting
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.equality import stimuli
from bnnedge.errors import ConfigError, MismatchError, SimulationError, ToolMissingError
from bnnedge.hardware import RtlConfig
from bnnedge.hardware import emit as emit_rtl
from bnnedge.hardware.folding import folding_record
from bnnedge.records import to_json
from bnnedge.vitis_hls import CModel
from bnnedge.vitis_hls.csim import STANDARD
from bnnedge.vitis_hls.emit import WARNINGS
from bnnedge.vitis_hls.facts import HlsFacts
from tests.hls.bench import needs_ap_types
from tests.networks import random_conv, random_mlp, random_residual, with_class_scales
from tests.networks.branches import random_branches
from tests.networks.chains import random_chain, random_folding
from tests.test_cli import bnnedge, one_line

SLOW = pytest.mark.slow


def rtl_of(dataflow: Dataflow, folder: Path, *, seed: int = 0) -> Path:
    """RTL of a network, randomly folded."""
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    record = folding_record(random_folding(dataflow, seed))
    (folder / "folding.json").write_text(json.dumps(record))
    config = RtlConfig(folding=folder / "folding.json")
    return emit_rtl(folder / "dataflow", config, folder / "rtl").folder


def check_hls(rtl: Path, folder: Path, *, images: int = 24) -> None:
    """Every result is equal, also in a batch of another size."""
    dataflow = Dataflow.load(rtl / "dataflow")
    facts = verbs.hls(rtl, folder, check=True, images=images).facts
    assert facts.checked_images == images
    encoded = stimuli(dataflow, 3, seed=7)[1:]
    model = CModel(folder=folder, design=Design.load(rtl))
    assert (model.run(encoded) == dataflow.results_of(encoded)).all()


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rtl_of(random_mlp((20, 12, 6, 4)), tmp_path_factory.mktemp("network"))


@needs_ap_types
@pytest.mark.parametrize("network", [random_conv, random_residual])
def test_a_network_of_every_kind_of_node_equals_its_dataflow(
    network: Callable[[], Dataflow], tmp_path: Path
) -> None:
    check_hls(rtl_of(network(), tmp_path), tmp_path / "hls")


@needs_ap_types
@pytest.mark.smoke
def test_words_may_be_wider_than_ap_int_allows_at_first(tmp_path: Path) -> None:
    dataflow = with_class_scales(random_mlp((1100, 4, 5)), k=3)
    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    folding = {"mvu0": {"PE": 2, "SIMD": 1100}, "mvu1": {"PE": 1, "SIMD": 4}}
    (tmp_path / "folding.json").write_text(json.dumps(folding))
    config = RtlConfig(folding=tmp_path / "folding.json")
    rtl = emit_rtl(tmp_path / "dataflow", config, tmp_path / "rtl").folder
    check_hls(rtl, tmp_path / "hls")
    assert "#define AP_INT_MAX_W 2048" in (tmp_path / "hls" / "bnnedge_core.hpp").read_text()


@SLOW
@needs_ap_types
@pytest.mark.parametrize("seed", range(20))
def test_many_networks_with_branches_equal_their_dataflow(seed: int, tmp_path: Path) -> None:
    check_hls(rtl_of(random_branches(seed), tmp_path, seed=seed), tmp_path / "hls")


@SLOW
@needs_ap_types
@pytest.mark.parametrize("seed", range(20))
def test_many_convolutional_networks_equal_their_dataflow(seed: int, tmp_path: Path) -> None:
    check_hls(rtl_of(random_chain(seed), tmp_path, seed=seed), tmp_path / "hls")


@needs_ap_types
def test_a_difference_names_image_and_result(rtl: Path, tmp_path: Path) -> None:
    wrong = Path(shutil.copytree(rtl, tmp_path / "rtl"))
    path = next(path for path in sorted((wrong / "mem").iterdir()) if "mvu2_weights" in path.name)
    words = [f"{int(word, 16) ^ 1:x}" for word in path.read_text().split()]
    path.write_text("\n".join(words))
    with (
        permitting(accept_edited=True),
        pytest.raises(MismatchError, match=r"random: HLS C\+\+ differs .* first: image \d+, cl"),
    ):
        verbs.hls(wrong, tmp_path / "hls", check=True, trust=True)
    assert not (tmp_path / "hls").exists()


@needs_ap_types
def test_the_folder_checks_itself_and_missing_words_are_found(rtl: Path, tmp_path: Path) -> None:
    """Its Makefile compares, without a warning; a kernel that takes too much is an error."""
    folder = verbs.hls(rtl, tmp_path / "hls", images=5).folder
    log = tmp_path / "make.log"
    strict = " ".join((f"-std={STANDARD}", *WARNINGS, "-Werror"))
    make = ["make", "-C", folder, "check", f"AP_TYPES={tools.ap_types()}", f"CXXFLAGS={strict}"]
    tools.run(make, cwd=tmp_path, log=log, timeout_s=120)
    assert "5 images equal to expected.bin" in log.read_text()

    core = folder / "bnnedge_core.cpp"
    core.write_text(core.read_text().replace("/*Frames=*/1", "/*Frames=*/2", 1))
    encoded = stimuli(Dataflow.load(rtl / "dataflow"), 2, seed=1)
    with pytest.raises(SimulationError, match="WARNING: Hls::stream .* is read while empty"):
        CModel(folder=folder, design=Design.load(rtl)).run(encoded)


def test_without_ap_types_a_check_says_how_to_get_them(rtl: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError) as caught:
        verbs.hls(rtl, tmp_path / "hls", check=True, ap_types=tmp_path)
    assert str(caught.value) == (
        "ap_int.h and hls_stream.h are needed to compile HLS C++ and were not found in"
        f" {tmp_path} — `pip install --no-deps hls4ml==1.3.0`, or give their folder as ap_types"
    )
    assert not (tmp_path / "hls").exists()


def test_ap_types_of_vitis_hls_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "include").mkdir()
    for name in ("ap_int.h", "hls_stream.h"):
        (tmp_path / "include" / name).touch()
    monkeypatch.setenv("XILINX_HLS", str(tmp_path))
    assert tools.ap_types() == tmp_path / "include"


def test_what_is_written_follows_the_test_vectors_and_the_device(rtl: Path, tmp_path: Path) -> None:
    first = verbs.hls(rtl, tmp_path / "hls")
    assert verbs.hls(rtl, tmp_path / "hls").wall_s == first.wall_s  # skipped
    assert verbs.hls(rtl, tmp_path / "other").files == first.files
    fast = verbs.hls(rtl, tmp_path / "fast", part="xczu3eg-sbva484-1-e", clock_mhz=300)
    changed = {name for name in fast.files if fast.files[name] != first.files[name]}
    assert changed == {"run_hls.tcl", "README.md"}
    assert 'set part "xczu3eg-sbva484-1-e"\nset clock_ns 3.333\n' in (
        (tmp_path / "fast" / "run_hls.tcl").read_text()
    )


def test_one_layer_between_streams_of_its_widths_needs_no_converter(tmp_path: Path) -> None:
    (tmp_path / "dataflow").mkdir()
    random_mlp((32, 4)).save(tmp_path / "dataflow")
    (tmp_path / "folding.json").write_text('{"mvu0": {"PE": 4, "SIMD": 32}}')
    folding = tmp_path / "folding.json"
    rtl = verbs.rtl(tmp_path / "dataflow", tmp_path / "rtl", folding=folding).folder
    facts = verbs.hls(rtl, tmp_path / "hls").facts
    assert facts == HlsFacts(kernels=3, streams=2, memory_bits=32 * 4)
    assert "AP_INT_MAX_W" not in (tmp_path / "hls" / "bnnedge_core.hpp").read_text()


def test_the_command_says_what_it_wrote(rtl: Path, tmp_path: Path) -> None:
    done = bnnedge("hls", rtl, "-o", tmp_path / "hls", "--images", 2, "--json")
    assert done.exit_code == 0
    facts = json.loads(done.stdout)["facts"]
    weights = 20 * 12 + 12 * 6 + 6 * 4
    thresholds = 12 * (5 + 1) + 6 * (4 + 1)
    found = HlsFacts(kernels=8, streams=7, memory_bits=weights + thresholds)
    assert facts == to_json(found)
    one_line(bnnedge("hls", tmp_path, "-o", tmp_path / "other"), "is not an RTL folder")


def test_impossible_options_are_refused(rtl: Path, tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"images": 0}, "images: wanted 1 to 1,000,000, got 0"),
        ({"clock_mhz": 0.0}, "clock_mhz: wanted 1 to 10,000 MHz, got 0"),
        ({"part": "a; b"}, "part: wanted a name such as xc7z020clg400-1, got 'a; b'"),
        ({"ap_types": tmp_path}, "ap_types: only a check needs them — add check=True"),
    ]
    for options, text in refused:
        with pytest.raises(ConfigError) as caught:
            verbs.hls(rtl, tmp_path / "hls", **options)
        assert str(caught.value) == text
    assert not (tmp_path / "hls").exists()


def test_fifos_of_the_hardware_are_depths_of_streams(tmp_path: Path) -> None:
    rtl = rtl_of(random_residual(), tmp_path)
    verbs.hls(rtl, tmp_path / "hls")
    text = (tmp_path / "hls" / "bnnedge_core.cpp").read_text()
    design = Design.load(rtl)
    assert len(design.fifos) > 4
    for fifo in design.fifos:
        before = design.producers[fifo.inputs[0]]
        port = f"_{before.outputs.index(fifo.inputs[0])}" if len(before.outputs) > 1 else ""
        assert f"variable=from_{before.name}{port} depth={fifo.depth_words}\n" in text
