"""Stored images in a bitstream: what is planned, what its netlist counts, what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bnnedge.boards import find_board
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeError, MismatchError, SynthesisError
from bnnedge.families.placed import FpgaBoard
from bnnedge.hardware import RtlConfig, emit
from bnnedge.links import UartDevice, load_device
from bnnedge.links.store import IMAGE_FILE, RESULT_FILE
from bnnedge.synthesis.config import SynthesisConfig, VerifyConfig
from bnnedge.synthesis.facts import SYNTH
from bnnedge.synthesis.flow import synthesise
from bnnedge.synthesis.plan import plan_bitstream, plan_device, predict_around
from bnnedge.synthesis.verify import verify_bits
from tests.networks import random_mlp
from tests.synthesis.test_flow import network

CONFIG = SynthesisConfig(
    board="ulx3s-25f", clock_mhz=50, baud=2_500_000, store=3, gate_level_images=2
)
BOARD = find_board("ulx3s-25f")
assert isinstance(BOARD, FpgaBoard)


def written(folder: Path, dataflow: Dataflow, target_fps: float = 1e6) -> Path:
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=target_fps), folder / "rtl").folder


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("store"), network(seed=3))


def test_memories_hold_images_and_what_the_dataflow_makes_of_them(rtl: Path) -> None:
    design, dataflow = Design.load(rtl), Dataflow.load(rtl / "dataflow")
    device = plan_device(design, BOARD, CONFIG)
    texts = device.memory_texts(design, dataflow)
    assert tuple(texts) == device.memory_files == (IMAGE_FILE, RESULT_FILE)
    images, results = (texts[name].split() for name in texts)
    assert len(images) == device.buffer_words(design) == 4 * design.input_beats + len(images[-3:])
    assert len(results) == device.stored_results(design) == 2 + 3 * design.output_beats
    assert set(images[: 4 * design.input_beats]) == {"0" * (design.input_width_bits // 4)}
    words = [bytes.fromhex(word)[::-1] for word in results[2:]]
    size = len(words) // 3
    for image, word in enumerate(images[-3:]):
        bits = int(word, 16)
        encoded = np.array([[bits >> place & 1 for place in range(24)]], np.uint8)
        wanted = design.pack_results(dataflow.results_of(encoded))
        assert wanted.tobytes() == b"".join(words[size * image : size * (image + 1)])


def test_plan_without_a_store_is_as_it_was(rtl: Path) -> None:
    design = Design.load(rtl)
    plain = plan_device(design, BOARD, dataclasses.replace(CONFIG, store=None))
    assert plain.memory_files == () and plain.stored_results(design) == 0
    assert not any(name.startswith(("Stored", "Image")) for name in plain.parameters(design))
    top = plan_bitstream(design, BOARD, CONFIG).texts["board_top.sv"]
    assert f'.ImageFile("{IMAGE_FILE}")' in top and ".StoredImages(3)" in top


@pytest.mark.parametrize(("width_bits", "blocks"), [(256, 0), (784, 22), (1024, 29)])
def test_wide_words_wait_in_block_ram(rtl: Path, width_bits: int, blocks: int) -> None:
    wide = dataclasses.replace(
        Design.load(rtl), input_elements=width_bits, input_width_bits=width_bits
    )
    device = plan_device(wide, BOARD, dataclasses.replace(CONFIG, store=None))
    assert predict_around(wide, BOARD, device)["bram"] == blocks


@pytest.mark.parametrize(
    ("board", "store", "message"),
    [
        ("ulx3s-25f", 0, "store: wanted 1 to 1,048,576, got 0"),
        ("ulx3s-25f", 40_000, r"store: 40,000 images of tiny are thought to take \d+ block RAMs"),
        ("pynq-z1", 8, "store: pynq-z1 has no serial line, got 8 — leave it out"),
    ],
)
def test_store_that_is_none_is_refused(
    rtl: Path, tmp_path: Path, board: str, store: int, message: str
) -> None:
    with pytest.raises(SynthesisError, match=message) as caught:
        synthesise(rtl, SynthesisConfig(board=board, store=store), tmp_path / "synth")
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def check_measured(rtl: Path, config: SynthesisConfig, out: Path) -> None:
    made = synthesise(rtl, config, out)
    facts, design = made.facts, Design.load(rtl)
    assert facts.gate_level is not None
    measured = facts.gate_level.measured
    assert measured is not None
    assert (measured.images, measured.wrong_words) == (config.store, 0)
    assert measured.cycles_per_image == measured.predicted_cycles == design.interval_cycles
    assert measured.line("netlist") in SYNTH.lines(facts)
    device = load_device(made.folder)
    assert isinstance(device, UartDevice) and device.stored_images == config.store
    assert all((made.folder / name).is_file() for name in device.memory_files)
    assert facts.resources["bram"].predicted == facts.resources["bram"].used
    assert facts.resources["comb"].predicted == pytest.approx(facts.resources["comb"].used, rel=0.3)


@pytest.mark.slow
def test_netlist_and_bitstream_run_at_the_rate_of_the_network(rtl: Path, tmp_path: Path) -> None:
    out = tmp_path / "synth"
    check_measured(rtl, CONFIG, out)
    simulated = verify_bits(out / "tiny.bit", rtl, VerifyConfig()).simulated
    assert simulated.measured is not None and simulated.measured.images == 3


@pytest.mark.slow
def test_netlist_of_digits_runs_at_the_rate_of_the_network(tmp_path: Path) -> None:
    rtl = written(tmp_path, random_mlp((256, 64, 64, 10), seed=1, classes=True), target_fps=5e5)
    config = SynthesisConfig(
        board="ulx3s-85f", clock_mhz=100, store=6, gate_level_images=2, read_back=False
    )
    check_measured(rtl, config, tmp_path / "synth")


@pytest.mark.slow
def test_wrong_result_in_the_bitstream_is_found(
    rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = UartDevice.memory_texts

    def wrong(device: UartDevice, design: Design, dataflow: Dataflow) -> dict[str, str]:
        found = dict(texts(device, design, dataflow))
        *words, last = found[RESULT_FILE].split()
        last = f"{int(last, 16) ^ 4:0{len(last)}x}"
        return found | {RESULT_FILE: "\n".join((*words, last, ""))}

    monkeypatch.setattr(UartDevice, "memory_texts", wrong)
    with pytest.raises(MismatchError, match="wanted 3 right results .*, got 3 with 1 wrong words"):
        synthesise(rtl, CONFIG, tmp_path / "synth")
    assert not any(tmp_path.iterdir())


def test_bitstream_that_another_store_is_said_of_is_no_error_of_its_own(rtl: Path) -> None:
    with pytest.raises(BnnEdgeError, match="store: without a board, device.json beside x.bit says"):
        verify_bits(_bitstream(rtl), rtl, VerifyConfig(store=3))


def _bitstream(rtl: Path) -> Path:
    path = rtl.parent / "x.bit"
    path.write_bytes(b"")
    return path
