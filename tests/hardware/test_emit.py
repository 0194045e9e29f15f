"""Whole networks: RTL == Dataflow, interval == prediction, output == golden files."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge import artifacts
from bnnedge.dataflow import Dataflow
from bnnedge.design import TOP_MODULE, Design
from bnnedge.errors import FoldingError
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.kernels import divisors
from bnnedge.simulation import PATTERNS
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import run_network, steady_intervals
from tests.networks import random_inputs, random_mlp

GOLDEN = Path(__file__).parent / "golden"
_SETTINGS = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_WIDE = settings(_SETTINGS, max_examples=40)


def saved(dataflow: Dataflow, folder: Path) -> Path:
    folder.mkdir()
    dataflow.save(folder)
    return folder


def check_network(
    dataflow: Dataflow, config: RtlConfig, folder: Path, cache: Path, *, images: int = 48
) -> Design:
    out = folder / "rtl"
    emit(saved(dataflow, folder / "dataflow"), config, out)
    design = Design.load(out)
    x = random_inputs(dataflow, images)
    expected = dataflow.run(x)
    for stalls in (NO_STALLS, *PATTERNS):
        run = run_network(out, dataflow.encode(x), cache=cache, stalls=stalls)
        assert (run.values.reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(run.stream.received[0].cycles, design.output_beats)
            assert (intervals == design.interval_cycles).all()
            assert {stream.name for stream in run.stream.activity} == set(design.streams)
    return design


@pytest.mark.parametrize(
    ("widths", "classes", "fps"),
    [
        ((256, 64, 64, 10), True, 1e6),
        ((100, 33, 10), False, 5e6),
        ((9, 7, 5, 3), True, 1e8),  # one image per cycle
        ((1, 1), False, 1e6),
    ],
)
def test_network_equals_interpreter_at_the_predicted_rate(
    widths: tuple[int, ...], classes: bool, fps: float, tmp_path: Path, cache: Path
) -> None:
    design = check_network(
        random_mlp(widths, classes=classes), RtlConfig(target_fps=fps), tmp_path, cache
    )
    assert design.interval_cycles <= 100e6 / fps


@st.composite
def folded_networks(draw: st.DrawFn) -> tuple[Dataflow, dict[str, dict[str, int]]]:
    widths = tuple(draw(st.lists(st.integers(1, 40), min_size=2, max_size=4)))
    dataflow = random_mlp(widths, seed=draw(st.integers(0, 99)), classes=draw(st.booleans()))
    folding = {
        mvu.name: {
            "PE": draw(st.sampled_from(divisors(mvu.mh))),
            "SIMD": draw(st.sampled_from(divisors(mvu.mw))),
        }
        for mvu in dataflow.mvus
    }
    return dataflow, folding


def check_folded(dataflow: Dataflow, folding: dict[str, dict[str, int]], cache: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "folding.json"
        path.write_text(json.dumps(folding))
        design = check_network(dataflow, RtlConfig(folding=path), Path(name), cache)
        folded = {layer.name: {"PE": layer.pe, "SIMD": layer.simd} for layer in design.layers}
        assert {name: folded[name] for name in folding} == folding


@given(network=folded_networks())
@_SETTINGS
def test_any_network_in_any_folding_equals_interpreter(
    network: tuple[Dataflow, dict[str, dict[str, int]]], cache: Path
) -> None:
    check_folded(*network, cache)


@pytest.mark.slow
@given(network=folded_networks())
@_WIDE
def test_many_networks_in_many_foldings_equal_interpreter(
    network: tuple[Dataflow, dict[str, dict[str, int]]], cache: Path
) -> None:
    check_folded(*network, cache)


@pytest.mark.smoke
def test_emitted_folder_is_the_golden_one(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    out = tmp_path / "rtl"
    source = saved(random_mlp((12, 6, 4), classes=True), tmp_path / "dataflow")
    emit(source, RtlConfig(target_fps=10e6), out)
    generated = [
        Path("sv") / f"{TOP_MODULE}.sv",
        Path("design.json"),
        Path("folding.json"),
        *(Path(name) for name in Design.load(out).memories),
    ]
    if request.config.getoption("--refresh-golden"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for path in generated:
            (GOLDEN / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / path, GOLDEN / path)
    assert {p.relative_to(GOLDEN) for p in GOLDEN.rglob("*") if p.is_file()} == set(generated)
    for path in generated:
        assert (out / path).read_text() == (GOLDEN / path).read_text()


def test_emitted_core_has_no_lint_warning(tmp_path: Path) -> None:
    out = tmp_path / "rtl"
    source = saved(random_mlp((20, 12, 6, 4)), tmp_path / "dataflow")
    emit(source, RtlConfig(target_fps=3e6), out)
    design = Design.load(out)
    verilator.lint([out / name for name in design.sources], top=TOP_MODULE)


def test_emitted_folder_stands_alone_and_is_repeatable(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 6, 4))
    source = saved(dataflow, tmp_path / "dataflow")
    config = RtlConfig(target_fps=1e6)
    first = emit(source, config, tmp_path / "a")
    assert emit(source, config, tmp_path / "b").files == first.files
    assert emit(source, config, tmp_path / "a").wall_s == first.wall_s  # skipped
    x = random_inputs(dataflow, 8)
    copied = Dataflow.load(tmp_path / "a" / "dataflow")
    assert (copied.run(x) == dataflow.run(x)).all()


def test_id_word_follows_weights_and_folding(tmp_path: Path) -> None:
    words = set()
    for seed in (0, 1):
        source = saved(random_mlp((12, 6, 4), seed=seed), tmp_path / f"dataflow{seed}")
        for fps in (1e6, 1e7):
            out = tmp_path / f"rtl{seed}_{fps}"
            emit(source, RtlConfig(target_fps=fps), out)
            words.add(Design.load(out).id_word)
    assert len(words) == 4


def test_facts_list_every_kernel_and_the_rate(tmp_path: Path) -> None:
    source = saved(random_mlp((12, 6, 4), classes=True), tmp_path / "dataflow")
    facts = emit(source, RtlConfig(target_fps=2e6, clock_mhz=80), tmp_path / "rtl").facts
    assert facts.interval_cycles == max(kernel.cycles for kernel in facts.kernels.values()) <= 40
    assert facts.images_per_second == 80e6 / facts.interval_cycles


def test_a_wrong_folding_leaves_nothing_behind(tmp_path: Path) -> None:
    source = saved(random_mlp((12, 6, 4)), tmp_path / "dataflow")
    path = tmp_path / "folding.json"
    path.write_text('{"mvu0": {"PE": 5, "SIMD": 1}, "mvu1": {"PE": 1, "SIMD": 1}}')
    with pytest.raises(FoldingError, match="mvu0: wanted PE that divides MH=6, got 5"):
        emit(source, RtlConfig(folding=path), tmp_path / "rtl")
    assert not (tmp_path / "rtl").exists()
    assert artifacts.folder_hashes(source).keys() == {"dataflow.json", "weights.npz"}


def test_odd_node_names_become_identifiers(tmp_path: Path, cache: Path) -> None:
    dataflow = random_mlp((6, 4, 2))
    renamed = {f"mvu{i}": name for i, name in enumerate(("fc.1/MatMul", "endmodule"))}
    nodes = tuple(
        type(mvu)(
            name=renamed[mvu.name],
            weights=mvu.weights,
            thresholds=mvu.thresholds,
            invert=mvu.invert,
        )
        for mvu in dataflow.mvus
    )
    odd = Dataflow(name="odd", input=dataflow.input, nodes=nodes, output=dataflow.output)
    design = check_network(odd, RtlConfig(target_fps=5e7), tmp_path, cache, images=8)
    assert [layer.name for layer in design.layers] == ["fc.1/MatMul", "endmodule"]
    assert np.all([name.isascii() for name in design.memories])
