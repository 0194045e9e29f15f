"""What a report says about networks of convolutions."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.artifacts import Artifact
from bnnedge.config import structure
from bnnedge.dataflow import Dataflow, ElementType, Window
from bnnedge.findings import HighWater, Link, ReportData, Storage
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.facts import RTL
from bnnedge.lowering.facts import LOWER
from bnnedge.simulation.facts import SIMULATE
from bnnedge.sizing.facts import FIFOS
from bnnedge.stages import Stage
from bnnedge.summary import BuiltStage, report_data
from bnnedge.synthesis.facts import SYNTH
from bnnedge.training.facts import TRAIN
from tests.networks import random_inputs, random_mlp, random_residual
from tests.networks.chains import ChainMaker, pixel_encoding


def _conv(height: int, width: int, channels: int) -> Dataflow:
    maker = ChainMaker(0, pixel_encoding((height, width, channels), ElementType(width_bits=8)))
    maker.conv(6, Window(kernel=(3, 3)))
    maker.max_pool(Window(kernel=(2, 2), stride=(2, 2)))
    maker.flatten()
    maker.matrix(2, thresholded=False)
    return maker.finish(classes=False)


def _built(stage: Stage[Any], folder: Path, facts: Mapping[str, Any]) -> BuiltStage:
    artifact = Artifact(
        folder=folder / stage.kind,
        kind=stage.kind,
        fingerprint="",
        files={},
        tools={},
        wall_s=1.0,
        facts=structure(facts, stage.facts, source=stage.kind),
    )
    read = (folder / "export",) if stage == LOWER else ()
    return BuiltStage(name=stage.kind, stage=stage, artifact=artifact, reused=False, read=read)


def _report(
    dataflow: Dataflow,
    inputs: np.ndarray,
    folder: Path,
    later: Mapping[Stage[Any], Mapping[str, Any]] | None = None,
    fifo_depths: Path | None = None,
) -> ReportData:
    """Of a build up to RTL, and of the facts of later stages."""
    for name in ("train", "export", "lower"):
        (folder / name).mkdir()
    record = {"dataset": {"name": "made"}, "classes": ["a", "b", "c"], "history": []}
    (folder / "train" / "checkpoint.json").write_text(json.dumps(record))
    labels = np.zeros(len(inputs), np.int64)
    np.savez(folder / "export" / "reference.npz", inputs=inputs, labels=labels)
    dataflow.save(folder / "lower")
    trained = dict.fromkeys(("train_accuracy", "validation_accuracy", "test_accuracy"), 0.5)
    trained |= dict.fromkeys(("train_images", "validation_images"), 1)
    trained |= {"test_images": len(inputs), "norms_retuned": False, "seconds": 1.0}
    facts: dict[Stage[Any], Mapping[str, Any]] = {
        TRAIN: trained | {"best_epoch": 1},
        LOWER: {
            "layers": [],
            "encoding": {"name": "e", "element": "BIPOLAR", "elements": 1},
            "lifted": [],
            "remarks": [],
            "checks": {},
        },
    }
    stages = [_built(stage, folder, found) for stage, found in facts.items()]
    config = RtlConfig(target_fps=1000)
    for name in ("draft", "rtl"):
        emitted = emit(folder / "lower", config, folder / name)
        stages.append(BuiltStage(name=name, stage=RTL, artifact=emitted, reused=False))
        if name == "draft" and later and FIFOS in later:
            stages.append(_built(FIFOS, folder, later[FIFOS]))
        config = dataclasses.replace(config, fifo_depths=fifo_depths)
    stages += [
        _built(stage, folder, found) for stage, found in (later or {}).items() if stage != FIFOS
    ]
    return report_data("made", stages, commands=())


@pytest.mark.parametrize(
    ("shape", "topology", "pictures"),
    [
        ((5, 20, 1), "5x20x1-6-2", [(5, 20)] * 3),  # 100 elements, and no 10×10
        ((6, 8, 3), "6x8x3-6-2", []),  # 144 elements, and no 12×12
    ],
)
def test_feature_maps(
    shape: tuple[int, int, int], topology: str, pictures: list[tuple[int, int]], tmp_path: Path
) -> None:
    dataflow = _conv(*shape)
    inputs = np.random.default_rng(0).integers(0, 256, (3, *dataflow.input.input_shape))
    report = _report(dataflow, inputs.astype(np.float32), tmp_path)
    assert report.topology == topology
    assert [(example.height, example.width) for example in report.examples] == pictures
    assert report.pipeline is not None
    stream = report.pipeline.input
    assert (stream.elements, stream.element) == (math.prod(shape), "UINT8")
    assert stream.beats is not None
    assert stream.beats * stream.width_bits == report.pipeline.input_bits == 8 * math.prod(shape)


def test_rows_of_a_square_number_are_pictures(tmp_path: Path) -> None:
    dataflow = random_mlp((16, 5, 2))
    report = _report(dataflow, random_inputs(dataflow, 3), tmp_path)
    assert report.topology == "16-5-2"
    assert [(example.height, example.width) for example in report.examples] == [(4, 4)] * 3


def test_a_network_with_branches_is_a_graph(tmp_path: Path) -> None:
    pipeline = _report(random_residual(), np.zeros((3, 2, 6, 5), np.float32), tmp_path).pipeline
    assert pipeline is not None
    layers = {layer.name: layer for layer in pipeline.layers}
    assert [link.source for link in layers["add2"].inputs] == ["quantise2", "zeros2"]
    assert [link.source for link in layers["sign2"].inputs] == ["clamp1"]
    assert [link.source for link in layers["pixels2"].inputs] == ["clamp1"]
    assert [link.source for link in layers["window0"].inputs] == [None]
    assert layers["pixels2"].shape == (3, 3, 4) and layers["zeros2"].shape == (3, 3, 8)
    assert layers["flatten"].kernel == "wires" and layers["flatten"].shape == (8,)
    # One channel of 4 bits at a time comes to both sides of the sum.
    assert layers["add2"].inputs[1] == Link(
        source="zeros2", width_bits=4, elements=72, element="INT4"
    )
    assert (pipeline.output.source, pipeline.output.elements) == ("mvu3", 3)


def test_fifos_and_streams_have_what_sizing_and_simulation_found(tmp_path: Path) -> None:
    def run(stall: float, words: int) -> dict[str, Any]:
        fill = {"name": "7_add1_b_fifo", "depth_words": 36, "high_water_words": words}
        moved = {"name": "s", "transfers": 1, "stalled_cycles": 2, "starved_cycles": 3, "cycles": 9}
        record = {"name": f"stall {stall}", "stall": stall, "fifos": [fill], "activity": [moved]}
        figures = ("images", "cycles", "latency_cycles", "wall_s", "interval_cycles")
        return record | dict.fromkeys((*figures, "cycles_per_s", "images_per_s"), 1)

    guess = {"name": "7_add1_b_fifo", "first_guess_words": 40}
    guess |= dict.fromkeys(("width_bits", "high_water_words", "depth_words"), 4)
    intervals = {"interval_cycles": 864.0, "predicted_interval_cycles": 864}
    simulated = {"runs": [run(0.0, 7), run(0.3, 9)], "images": 2, "elements": 3, **intervals}
    simulated |= {"name": "made", "generated": True, "compile_s": 0.0}
    pressure = {"name": "s", "blocked": 0.5, "starved": 1 / 3}
    simulated["streams"] = [pressure | {"blocked_at": "a", "starved_at": "b"}]
    later = {FIFOS: {"fifos": [guess], **intervals}, SIMULATE: simulated}
    depths = {"7_add1_a_fifo": 2, "7_add1_b_fifo": 36, "15_add2_b_fifo": 4096}
    (tmp_path / "depths.json").write_text(json.dumps(depths))
    images = np.zeros((3, 2, 6, 5), np.float32)
    report = _report(random_residual(), images, tmp_path, later, tmp_path / "depths.json")
    fifos = {fifo.name: fifo for fifo in report.fifos}
    assert list(fifos) == [
        *("1_mvu0_fifo", "5_mvu1_fifo", "7_add1_a_fifo", "7_add1_b_fifo", "11_mvu2_fifo"),
        *("15_add2_a_fifo", "15_add2_b_fifo", "19_mvu3_fifo"),
    ]
    shortcut = fifos["7_add1_b_fifo"]
    assert (shortcut.producer, shortcut.consumer) == ("2_quantise0_fork", "7_add1")
    assert (shortcut.width_bits, shortcut.depth_words, shortcut.bits) == (4, 36, 144)
    assert (shortcut.storage, shortcut.first_guess_words) == (Storage.LUT_RAM, 40)
    assert shortcut.high_water == (HighWater(stalls=0.0, words=7), HighWater(stalls=0.3, words=9))
    assert fifos["7_add1_a_fifo"].storage is Storage.REGISTERS
    assert fifos["15_add2_b_fifo"].storage is Storage.BLOCK_RAM
    assert fifos["7_add1_a_fifo"].first_guess_words is None
    assert [stream.stalls for stream in report.streams] == [0.0, 0.3]
    stream = report.streams[0]
    assert (stream.cycles, stream.starved / stream.cycles) == (9, stream.most_starved)


def _zynq_facts(**more: Any) -> dict[str, Any]:
    return {
        "board": "pynq-z2",
        "family": "xc7",
        "fpga": "XC7Z020",
        "link": "AXI DMA",
        "device": {"board": "pynq-z2", "clock_hz": 125_000_000, "id_word": 1},
        "images_per_second": {"network": 1000.0},
        "resources": {"lut": {"used": 50, "available": 100, "percent": 50.0, "predicted": 60}},
        "seconds": {},
        **more,
    }


def test_zynq_board_that_vivado_has_not_seen(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 6, 2))
    later = {SYNTH: _zynq_facts(estimate=True)}
    data = _report(dataflow, random_inputs(dataflow, 3), tmp_path, later)
    assert data.board is not None
    board = data.board
    assert (board.clock_mhz, board.fmax_mhz, board.link) == (125, None, "AXI DMA")
    (synthesis,) = data.synthesis
    assert synthesis.estimate and "synth_xilinx" in synthesis.tool
    assert "Bitstream, place and route" in {step.step for step in data.not_run}


def test_what_the_link_carries_is_found_whatever_its_name(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 6, 2))
    rates = {"network": 1000.0, "ethernet": 700.0}
    later = {SYNTH: _zynq_facts(estimate=True) | {"images_per_second": rates}}
    data = _report(dataflow, random_inputs(dataflow, 3), tmp_path, later)
    assert data.board is not None and data.board.link_images_per_second == 700


def test_zynq_board_that_vivado_has_built(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 6, 2))
    timing = {"requested_mhz": 125.0, "reached_mhz": 130.0, "critical_path": []}
    later = {SYNTH: _zynq_facts(estimate=False, timing=timing)}
    data = _report(dataflow, random_inputs(dataflow, 3), tmp_path, later)
    assert data.board is not None and data.board.fmax_mhz == 130
    (synthesis,) = data.synthesis
    assert (synthesis.tool, synthesis.fmax_mhz) == ("Vivado, placed and routed", 130)
    assert {step.step for step in data.not_run} == {"The board itself", "Bitstream read back"}
