"""Generated hardware is compared with its Dataflow, and a difference is named."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from bnnedge import tools
from bnnedge.artifacts import permitting
from bnnedge.dataflow import Dataflow, IntegerMvu
from bnnedge.design import Design, KernelInstance
from bnnedge.equality import stimuli
from bnnedge.errors import ConfigError, DataError, MismatchError, SimulationError, ToolMissingError
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.emit import emit
from bnnedge.records import to_json
from bnnedge.simulation import PATTERNS, Core, FifoFill, SimulationConfig, check, simulate
from bnnedge.simulation.deadlock import describe, find_deadlock
from bnnedge.simulation.patterns import check_pressures, pressures
from bnnedge.verilated.stream import StreamState
from tests.networks import random_conv, random_mlp, random_residual

WIDTHS = (20, 12, 6, 3)


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("network")
    (root / "dataflow").mkdir()
    random_mlp(WIDTHS, seed=5).save(root / "dataflow")
    fold = {"mvu0": (4, 5), "mvu1": (3, 4), "mvu2": (1, 3)}
    record = {name: {"PE": pe, "SIMD": simd} for name, (pe, simd) in fold.items()}
    (root / "folding.json").write_text(json.dumps(record))
    emit(root / "dataflow", RtlConfig(folding=root / "folding.json"), root / "rtl")
    return root / "rtl"


@pytest.fixture
def altered(rtl: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rtl, tmp_path / "altered"))


def weight_files(rtl: Path, node: str) -> list[Path]:
    return sorted(path for path in (rtl / "mem").iterdir() if node in path.name)


def flip(path: Path, line: int) -> None:
    """Invert the lowest bit of a word of a memory file."""
    words = path.read_text().split("\n")
    words[line] = f"{int(words[line], 16) ^ 1:0{len(words[line])}x}"
    path.write_text("\n".join(words))


def test_waves_want_a_writer_that_compiles(
    rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "verilator_root", lambda: tmp_path)
    monkeypatch.setattr(tools, "version", lambda tool: "5.038")
    with pytest.raises(ToolMissingError, match="waves: verilator 5.038 .* wanted 5.049 or later"):
        check(rtl, SimulationConfig(images=2), trace=tmp_path / "waves.fst")


@pytest.mark.smoke
def test_generated_images_are_equal_with_and_without_stalls(rtl: Path, cache: Path) -> None:
    config = SimulationConfig(images=60, stalls=(0.0, 0.4))
    seen: list[tuple[str, float]] = []
    result = check(rtl, config, cache=cache, progress=lambda *done: seen.append(done))
    assert (result.images, result.elements, result.generated) == (60, 3, True)
    assert result.interval_cycles == result.predicted_interval_cycles == 12
    assert [run.stall for run in result.runs] == [0.0, 0.4, *[None] * len(PATTERNS)]
    assert [run.images for run in result.runs] == [60] * (2 + len(PATTERNS))
    assert all(run.cycles_per_s > 0 and run.latency_cycles > 12 for run in result.runs)
    assert result.runs[1].interval_cycles >= 12
    first = FifoFill(name="0_mvu0_fifo", depth_words=2, high_water_words=2)
    assert all(run.fifos[0] == first for run in result.runs)
    assert [fifo.name for fifo in result.runs[0].fifos] == [f"{i}_mvu{i}_fifo" for i in range(3)]
    images = 120 + 60 * len(PATTERNS)
    assert seen[-1] == (f"{images} of {images} images", 1.0)


def test_patterns_hold_up_every_stream_and_stalls_at_the_ends_do_not(
    rtl: Path, cache: Path
) -> None:
    result = check(rtl, SimulationConfig(images=60), cache=cache)
    assert tuple(stream.name for stream in result.streams) == Design.load(rtl).streams
    assert all(min(stream.blocked, stream.starved) >= 0.05 for stream in result.streams)
    assert {stream.blocked_at for stream in result.streams} <= {run.name for run in result.runs}
    with pytest.raises(SimulationError) as caught:
        check_pressures("net", pressures(result.runs[:2]))
    assert re.fullmatch(
        r"net: stream \w+ to \w+: wanted it (blocked|starved) in 5% of the cycles of some run,"
        r" got [\d.]+%, at stall 0.\d — simulate with another seed",
        str(caught.value),
    )


def test_without_stalls_there_are_no_patterns(rtl: Path, cache: Path) -> None:
    result = check(rtl, SimulationConfig(images=3, stalls=(0.0,)), cache=cache)
    assert (len(result.runs), result.streams) == (1, ())


def test_a_few_images_are_enough_for_the_patterns(rtl: Path, cache: Path) -> None:
    for seed in range(8):
        result = check(rtl, SimulationConfig(images=1, seed=seed), cache=cache)
        assert all(min(stream.blocked, stream.starved) >= 0.05 for stream in result.streams)


def test_pauses_outlast_a_consumer_that_takes_a_beat_an_image(tmp_path: Path, cache: Path) -> None:
    """A whole image is one beat, of which the next kernel makes as many as an interval has."""
    (tmp_path / "dataflow").mkdir()
    random_mlp((12, 24, 3)).save(tmp_path / "dataflow")
    folding = {"mvu0": {"PE": 24, "SIMD": 12}, "mvu1": {"PE": 3, "SIMD": 1}}
    (tmp_path / "folding.json").write_text(json.dumps(folding))
    config = RtlConfig(folding=tmp_path / "folding.json")
    emit(tmp_path / "dataflow", config, tmp_path / "rtl")
    result = check(tmp_path / "rtl", SimulationConfig(images=60), cache=cache)
    long = [run for run in result.runs if run.name == "long pauses"]
    assert [(run.stall, run.images) for run in long] == [(None, 120)]


def test_a_given_batch_is_encoded_and_its_first_images_are_used(rtl: Path, cache: Path) -> None:
    x = np.random.default_rng(1).standard_normal((9, WIDTHS[0])).astype(np.float32)
    result = check(rtl, SimulationConfig(images=7), inputs=x, cache=cache)
    assert (result.images, result.generated) == (7, False)


def test_one_image_has_a_latency_and_no_interval(rtl: Path, cache: Path) -> None:
    result = check(rtl, SimulationConfig(images=1), cache=cache)
    assert result.interval_cycles is None
    assert result.runs[0].latency_cycles > 0


def test_images_are_paced_and_fifos_measured(rtl: Path, cache: Path) -> None:
    core = Core.load(rtl, cache=cache)
    bits = np.random.default_rng(3).integers(0, 2, (20, WIDTHS[0]), dtype=np.uint8)
    fifo = core.design.streams[:2]
    assert all("0_mvu0_fifo" in name for name in fifo)
    fast, slow = (
        core.run(bits, interval_cycles=cycles, fifos=[(fifo[0], fifo[1])]) for cycles in (None, 40)
    )
    assert (fast.interval_cycles, slow.interval_cycles) == (12, 40)
    assert (slow.values == fast.values).all()
    # Words of five bits, four an image: at full rate they wait for the image before.
    assert (fast.stream.high_water, slow.stream.high_water) == ((2,), (1,))


def test_results_are_the_accumulators(rtl: Path, cache: Path) -> None:
    dataflow = Dataflow.load(rtl / "dataflow")
    bits = stimuli(dataflow, 10, seed=0)
    values = Core.load(rtl, cache=cache).run(bits).values
    assert values.shape == (10, 3)
    assert (values == dataflow.results_of(bits)).all()
    assert (values == dataflow.run(2.0 * bits - 1)).all()


def test_generated_images_reach_both_ends_of_the_popcount() -> None:
    dataflow = random_mlp(WIDTHS, seed=5)
    bits = stimuli(dataflow, 64, seed=3)
    counts = dataflow.mvus[0].popcounts(bits)
    assert bits.shape == (64, 20) and counts.min() == 0 and counts.max() == 20
    assert (bits == stimuli(dataflow, 64, seed=3)).all()
    assert (bits != stimuli(dataflow, 64, seed=4)).any()


def test_generated_integers_reach_both_ends_of_the_accumulator() -> None:
    dataflow = random_conv()
    images = stimuli(dataflow, 48, seed=3)
    assert images.shape == (48, 7, 6, 2)
    assert (images[0] == 0).all() and (images[1] == 255).all()
    window, mvu = dataflow.nodes[:2]
    assert isinstance(mvu, IntegerMvu)
    sums = dataclasses.replace(mvu, thresholds=None, invert=None).run(window.run(images))
    # Rows of all ones are among the weights, and of none.
    assert sums.max() == 18 * 255 and sums.min() == -18 * 255


@pytest.fixture(scope="module")
def conv_rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("conv")
    (root / "dataflow").mkdir()
    random_conv().save(root / "dataflow")
    emit(root / "dataflow", RtlConfig(target_fps=1e5), root / "rtl")
    return root / "rtl"


def test_a_convolutional_network_is_simulated_from_raw_images(conv_rtl: Path, cache: Path) -> None:
    x = np.random.default_rng(1).integers(0, 256, (6, 2, 7, 6)).astype(np.float32)
    result = check(conv_rtl, SimulationConfig(stalls=(0.0, 0.4)), inputs=x, cache=cache)
    assert (result.images, result.generated) == (6, False)
    assert result.interval_cycles == result.predicted_interval_cycles


@pytest.mark.parametrize(
    ("file", "node"),
    [
        ("mvu1_rows", "mvu1"),
        ("pool1_conjunction", "pool1"),
        ("threshold2_thresholds", "threshold2"),
    ],
)
def test_the_first_wrong_node_of_any_kind_is_named(
    file: str, node: str, conv_rtl: Path, tmp_path: Path, cache: Path
) -> None:
    altered = Path(shutil.copytree(conv_rtl, tmp_path / "altered"))
    (path,) = weight_files(altered, file)
    for line in range(len(path.read_text().split())):
        flip(path, line)
    with pytest.raises(MismatchError, match=f"{node} is the first node to differ, in .* at pixel"):
        check(altered, SimulationConfig(images=64), cache=cache)


def test_a_wrong_weight_in_the_last_layer_is_found(altered: Path, cache: Path) -> None:
    flip(weight_files(altered, "mvu2")[0], 0)  # first word: row 0, columns 0 to 2
    with pytest.raises(MismatchError) as caught:
        check(altered, SimulationConfig(images=20), cache=cache)
    text = str(caught.value)
    assert "differs from the Dataflow on 20 of 20 images at stall 0.0; first: image 0" in text
    assert "class 0: wanted " in text
    assert "mvu2 is the first node to differ, in 1 of 3 elements, first channel 0: wanted" in text


def test_a_wrong_weight_in_a_hidden_layer_is_traced_to_its_node(altered: Path, cache: Path) -> None:
    # Invert a whole row's threshold decision: bit 0 of a word is a weight or a threshold bit.
    for path in weight_files(altered, "mvu0"):
        for line in range(3):
            flip(path, line)
    with pytest.raises(MismatchError) as caught:
        check(altered, SimulationConfig(images=64), cache=cache)
    assert "mvu0 is the first node to differ, in " in str(caught.value)
    assert "first channel" in str(caught.value)


def test_another_designs_identity_is_refused(altered: Path, cache: Path) -> None:
    record = json.loads((altered / "design.json").read_text())
    (altered / "design.json").write_text(json.dumps(record | {"id_word": 1}))
    with pytest.raises(SimulationError, match="wanted id word 0x00000001, got 0x"):
        check(altered, SimulationConfig(images=2), cache=cache)


def test_a_result_that_never_comes_names_the_stuck_streams(altered: Path, cache: Path) -> None:
    core = altered / "sv" / "bnnedge_core.sv"
    text = core.read_text()
    for port, wire in (
        (".in_valid_i(stream_valid[2])", "1'b0"),
        (".in_ready_o(stream_ready[2])", ""),
    ):
        assert text.count(port) == 1
        text = text.replace(port, f"{port.split('(')[0]}({wire})")
    core.write_text(text.replace("endmodule", "  assign stream_ready[2] = 1'b0;\nendmodule"))
    with pytest.raises(SimulationError) as caught:
        check(altered, SimulationConfig(images=4), cache=cache)
    stream = json.loads((altered / "design.json").read_text())["streams"][2]
    assert "stuck for" in str(caught.value)
    assert f"{stream} valid but not ready" in str(caught.value)


def test_kernels_that_wait_for_each_other_are_named(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "dataflow").mkdir()
    random_residual().save(tmp_path / "dataflow")
    depths = tmp_path / "fifos.json"
    depths.write_text(json.dumps({"7_add1_b_fifo": 2}))
    emit(tmp_path / "dataflow", RtlConfig(target_fps=1e5, fifo_depths=depths), tmp_path / "rtl")
    with pytest.raises(SimulationError) as caught:
        check(tmp_path / "rtl", SimulationConfig(images=4), cache=cache)
    assert caught.value.message == (
        "random_residual: deadlock: 7_add1 waits for a beat from 2_quantise0_fork (through"
        " 7_add1_a_fifo, 6_quantise1, 5_mvu1, 5_mvu1_fifo, 5_mvu1_width, 4_window1,"
        " 4_window1_width, 3_sign1), which waits for room in 7_add1_b_fifo (full, 2 words),"
        " which waits for 7_add1 to take a beat"
    )
    assert caught.value.remedy == "size them: `bnnedge fifos`, then `bnnedge rtl --fifo-depths`"


def test_a_circle_needs_no_fifo_and_its_direction_counts(rtl: Path) -> None:
    def kernel(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> KernelInstance:
        return KernelInstance(
            **{"name": name, "module": name, "node": None, "inputs": inputs, "outputs": outputs},
            **{"width_bits": 1, "depth_words": None, "image_words": None, "block_rams": 0},
            **{"parameters": {}, "resize": None},
        )

    kernels = kernel("fork", ("in",), ("a", "b")), kernel("add", ("a", "b"), ("out",))
    ends = kernel("first", (), ("in",)), kernel("last", ("out",), ())
    design = dataclasses.replace(Design.load(rtl), kernels=(*ends, *kernels))

    def states(**streams: str) -> list[StreamState]:
        return [
            StreamState(name=name, valid="v" in is_, ready="r" in is_, transfers=0)
            for name, is_ in streams.items()
        ]

    circle = find_deadlock(design, states(**{"in": "v", "a": "r", "b": "v", "out": "r"}))
    assert describe(circle) == (
        "add waits for a beat from fork, which waits for add to take a beat"
    )
    assert not any(wait.on_full_fifo for wait in circle)
    assert not find_deadlock(design, states(**{"in": "r", "a": "r", "b": "r", "out": "r"}))
    assert not find_deadlock(design, states(**{"in": "v", "a": "v", "b": "v", "out": "v"}))
    assert not find_deadlock(design, states(**{"in": "r", "a": "r", "b": "vr", "out": "r"}))


def test_inputs_of_another_shape_are_refused(rtl: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="wanted shape"):
        check(rtl, SimulationConfig(), inputs=np.zeros((4, 19)), cache=cache)
    with pytest.raises(DataError, match="wanted shape"):
        check(rtl, SimulationConfig(), inputs=np.float32(0), cache=cache)
    with pytest.raises(SimulationError, match="N >= 1"):
        check(rtl, SimulationConfig(), inputs=np.zeros((0, 20)), cache=cache)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"images": 0}, "images: wanted 1 to 1,000,000, got 0"),
        ({"stalls": (1.0,)}, "stalls: wanted probabilities"),
        ({"stalls": ()}, "stalls: wanted probabilities"),
        ({"seed": -1}, "seed: wanted"),
        ({"trace_images": -1}, "trace_images: wanted"),
    ],
)
def test_a_config_out_of_range_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimulationConfig(**fields)


def test_the_stage_publishes_its_result_and_is_skipped_when_current(
    rtl: Path, tmp_path: Path
) -> None:
    config = SimulationConfig(images=5, trace_images=1)
    artifact = simulate(rtl, config, tmp_path / "simulation")
    record = json.loads((tmp_path / "simulation" / "simulation.json").read_text())
    assert record == to_json(artifact.facts) and record["images"] == 5
    assert (tmp_path / "simulation" / "trace.fst").stat().st_size > 1000
    written = (tmp_path / "simulation" / "artifact.json").stat().st_mtime_ns
    assert simulate(rtl, config, tmp_path / "simulation") == artifact
    assert (tmp_path / "simulation" / "artifact.json").stat().st_mtime_ns == written


def test_nothing_is_published_after_a_mismatch(altered: Path, tmp_path: Path) -> None:
    flip(weight_files(altered, "mvu2")[0], 0)
    with pytest.raises(MismatchError), permitting(accept_edited=True):
        simulate(altered, SimulationConfig(images=5), tmp_path / "simulation")
    assert not (tmp_path / "simulation").exists()
