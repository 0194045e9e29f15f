"""A report with every part filled, as a build of an MLP on digits would give it."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from bnnedge.findings import (
    Accuracy,
    Board,
    Check,
    ClockDomain,
    Command,
    Epoch,
    Example,
    Fifo,
    FileDigest,
    HighWater,
    Hold,
    Layer,
    LayerResources,
    Link,
    Mismatch,
    NodeFate,
    NotRun,
    Pipeline,
    ReportData,
    ResourceUse,
    SimulationSpeed,
    StageTime,
    Storage,
    StreamActivity,
    Synthesis,
    Tool,
    Verdict,
)

PASSED, NOT_RUN = Verdict.PASSED, Verdict.NOT_RUN


def _pipeline() -> Pipeline:
    shapes = ((64, 256, 8, 32), (64, 64, 4, 16), (10, 64, 1, 16))
    links = (
        Link(source=None, width_bits=32, elements=256, element="BIPOLAR", beats=8),
        Link(source="mvu0", width_bits=8, elements=64, element="BIPOLAR"),
        Link(source="mvu1", width_bits=4, elements=64, element="BIPOLAR"),
    )
    layers = tuple(
        Layer(
            name=f"mvu{i}",
            kernel="xnor_mvu",
            inputs=(links[i],),
            shape=(mh,),
            rows=mh,
            columns=mw,
            pe=pe,
            simd=simd,
            predicted_cycles=(mh // pe) * (mw // simd),
            thresholded=i < 2,
            weight_bits=mh * mw,
        )
        for i, (mh, mw, pe, simd) in enumerate(shapes)
    )
    return Pipeline(
        layers=layers,
        output=Link(source="mvu2", width_bits=32, elements=10, element="INT8", beats=3),
        encoding="quantile thermometer, 4 levels",
        inputs=64,
        input_bits=256,
        answer="arg-max over 10 accumulators",
        predicted_interval_cycles=64,
        measured_interval_cycles=64.0,
        latency_cycles=171,
    )


def _accuracy() -> Accuracy:
    confusion = np.diag([36, 35, 35, 36, 36, 36, 36, 35, 34, 35])
    for true, predicted, times in ((8, 1, 2), (9, 5, 1), (3, 8, 1), (1, 8, 1)):
        confusion[true, predicted] = times
    return Accuracy(
        test=0.9712,
        images=360,
        classes=tuple("0123456789"),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
        history=tuple(
            Epoch(
                epoch=epoch,
                train_loss=1.9 * 0.86**epoch + 0.12,
                train_accuracy=1 - 0.5 * 0.85**epoch,
                validation_accuracy=0.975 - 0.5 * 0.83**epoch + 0.006 * (-1) ** epoch,
            )
            for epoch in range(1, 41)
        ),
        selected_epoch=34,
    )


def _checks() -> tuple[Check, ...]:
    logits = "accumulators (int64)"
    return (
        Check(left="PyTorch", right="QONNX", compared="logits", verdict=PASSED, images=360),
        Check(
            left="PyTorch", right="Dataflow", compared=logits, verdict=PASSED, images=360,
            values=3600,
        ),
        Check(
            left="Dataflow", right="RTL", compared=logits, verdict=PASSED, images=360,
            values=3600, stalls="0",
        ),
        Check(
            left="Dataflow", right="RTL", compared=logits, verdict=PASSED, images=360,
            values=3600, stalls="0.3",
        ),
        Check(left="RTL", right="netlist", compared=logits, verdict=PASSED, images=10, values=100),
        Check(
            left="netlist", right="board", compared=logits, verdict=NOT_RUN,
            reason="no ULX3S is connected",
        ),
    )  # fmt: skip


def _synthesis() -> tuple[Synthesis, ...]:
    return (
        Synthesis(
            target="ULX3S-85F",
            tool="Yosys + nextpnr-ecp5, placed and routed",
            fmax_mhz=131.4,
            totals=(
                ResourceUse(name="LUT4", used=4110, available=83640),
                ResourceUse(name="FF", used=2874, available=83640),
                ResourceUse(name="DP16KD", used=22, available=208),
            ),
            clocks=(
                ClockDomain(
                    name="$glbnet$clk",
                    wanted_mhz=100.0,
                    reached_mhz=131.4,
                    hold=Hold(margin_ps=-12.0, path_from="a/Q", path_to="<b>/DI", checked=3),
                ),
                ClockDomain(name="rx", wanted_mhz=125.0, reached_mhz=140.5),
            ),
            layers=(
                LayerResources(layer="mvu0", used=(1920, 1310, 12)),
                LayerResources(layer="mvu1", used=(800, 640, 8)),
                LayerResources(layer="mvu2", used=(310, 220, None)),
            ),
        ),
        Synthesis(
            target="xc7z020",
            tool="Yosys synth_xilinx, before place and route",
            estimate=True,
            totals=(
                ResourceUse(name="LUT", used=2510, available=53200),
                ResourceUse(name="FF", used=2790, available=106400),
                ResourceUse(name="RAMB18", used=14, available=280),
            ),
        ),
    )


@pytest.fixture
def full_report() -> ReportData:
    """Every part filled; every check passed but the board's, which could not run."""
    digits = load_digits()
    return ReportData(
        network="TFC",
        topology="256-64-64-10",
        dataset="UCI digits",
        version="0.1.0",
        board=Board(
            name="ULX3S-85F",
            device="LFE5U-85F",
            clock_mhz=100.0,
            fmax_mhz=131.4,
            link="UART at 3 Mbaud",
            link_images_per_second=9090.0,
        ),
        nodes=(
            NodeFate(node="MatMul_0", op="MatMul", fate="becomes mvu0"),
            NodeFate(node="<b>", op="Sign", fate="in the thresholds of mvu0"),
        ),
        pipeline=_pipeline(),
        accuracy=_accuracy(),
        checks=_checks(),
        synthesis=_synthesis(),
        examples=tuple(
            Example(
                pixels=(digits.images[i] * 15).astype(np.uint8).tobytes(),
                height=8,
                width=8,
                predicted="1" if i == 8 else str(digits.target[i]),
                expected=str(digits.target[i]),
            )
            for i in range(20)
        ),
        streams=tuple(
            StreamActivity(
                stream=name,
                moving=moving,
                blocked=blocked,
                starved=9000 - moving - blocked,
                stalls=0.3,
            )
            for name, moving, blocked in (
                ("s_axis", 1100, 6400),
                ("mvu0 → mvu1", 1100, 5200),
                ("mvu1 → mvu2", 2200, 300),
                ("m_axis", 420, 100),
            )
        ),
        fifos=tuple(
            Fifo(
                name=f"mvu{i}_fifo",
                producer=f"mvu{i - 1}",
                consumer=f"mvu{i}",
                width_bits=width,
                depth_words=depth,
                storage=storage,
                first_guess_words=guess,
                high_water=(
                    HighWater(stalls=0.0, words=depth - 1),
                    HighWater(stalls=0.3, words=depth),
                ),
            )
            for i, width, depth, guess, storage in (
                (1, 8, 1034, 1177, Storage.BLOCK_RAM),
                (2, 4, 2, None, Storage.REGISTERS),
            )
        ),
        simulation=SimulationSpeed(images=720, cycles=47_212, wall_s=0.31),
        stages=(
            StageTime(name="train", wall_s=9.4),
            StageTime(name="export", wall_s=6.1, reused=True),
            StageTime(name="lower", wall_s=7.7),
            StageTime(name="rtl", wall_s=0.2),
            StageTime(name="simulate", wall_s=24.9),
            StageTime(name="synth", wall_s=187.0),
        ),
        tools=(Tool(name="Verilator", version="5.048"), Tool(name="Yosys", version="0.70")),
        files=(FileDigest(path="synth/bnnedge.bit", sha256="3f" * 32, size_bytes=1_934_000),),
        commands=(
            Command(command="bnnedge build digits.toml -o build/digits", comment="all of it"),
            Command(command="bnnedge simulate build/digits/rtl --stalls 0.3"),
        ),
        not_run=(NotRun(step="Hardware", reason="no ULX3S is connected"),),
    )


@pytest.fixture
def mismatch() -> Mismatch:
    """Where a broken layer would show."""
    return Mismatch(node="mvu1", channel=17, image=42, expected="1", got="0")
