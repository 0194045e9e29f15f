"""The stream harness moves every beat, and reports every way in which a module can misbehave."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import SimulationError, ToolFailedError
from bnnedge.verilated import verilator
from bnnedge.verilated.drive import Drive, Pace
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.session import Session, Status
from bnnedge.verilated.stalls import Hold, Stalls
from bnnedge.verilated.stream import StreamModel, StreamState, StuckError
from tests.processes import listen_to_ctrl_c
from tests.streams import one_way

SV = Path(__file__).parent / "sv"


def passthrough(width: int, cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "passthrough.sv"],
        top="passthrough",
        ports=StreamPorts.kernel(inputs={"in": width}, outputs={"out": width}),
        parameters={"Width": width},
        cache=cache,
    )


def beats(count: int, width: int, seed: int = 0) -> np.ndarray:
    bits = np.random.default_rng(seed).integers(0, 2, (count, width), dtype=np.uint8)
    return np.packbits(bits, axis=1, bitorder="little")


@pytest.mark.parametrize("width", [1, 13, 32, 49, 100])
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.7, 0.2), (0.2, 0.7)])
def test_every_beat_of_any_width_arrives_in_order(
    width: int, stalls: tuple[float, float], cache: Path
) -> None:
    sent = beats(500, width)
    got = one_way(passthrough(width, cache), sent, 500, stalls=Stalls.at_ends(*stalls))
    assert (got.outputs == sent).all()


@pytest.mark.smoke
def test_without_stalls_one_beat_passes_per_cycle(cache: Path) -> None:
    got = one_way(passthrough(13, cache), beats(100, 13), 100)
    assert got.in_cycles.tolist() == list(range(100))
    assert got.out_cycles.tolist() == list(range(1, 101))


def test_stalls_are_reproduced_by_their_seed_and_differ_between_seeds(cache: Path) -> None:
    model = passthrough(13, cache)
    runs = [
        one_way(
            model, beats(200, 13), 200, stalls=Stalls.at_ends(0.5), seed=seed
        ).out_cycles.tolist()
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_stall_of_one_half_costs_about_that_many_cycles(cache: Path) -> None:
    got = one_way(passthrough(13, cache), beats(2000, 13), 2000, stalls=Stalls.at_ends(0.5, 0.0))
    assert 3600 < got.out_cycles[-1] < 4400


@pytest.fixture(scope="module")
def misbehaving(cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "misbehaving.sv"],
        top="misbehaving",
        ports=StreamPorts.kernel(inputs={"in": 8}, outputs={"out": 8}, last="out_last_o"),
        cache=cache,
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (0xF0, "out_valid_o fell before output beat 2 was taken"),
        (0xF1, "out_data_o changed before output beat 2 was taken"),
        (0xF2, "out_last_o changed before output beat 2 was taken"),
        (0xF3, "an output beat too many (4 of 4 input beats taken, 4 of 4 output beats"),
        (0xF4, "stuck for 500 cycles: output ready but not valid (4 of 4 input beats"),
        (0xF5, "stuck for 500 cycles: input valid but not ready; output ready but not"),
        (0xF6, "the design stopped: "),
        (0xF6, "beat f6 is not allowed"),
        (0xF7, "gave up on beat f7"),
        (0xF8, "Verilog $finish"),
    ],
)
def test_each_fault_is_reported_as_itself(
    misbehaving: StreamModel, code: int, message: str
) -> None:
    sent = np.array([[1], [2], [code], [3]], np.uint8)
    # Ready must be low while the faulty beat waits; this seed does that.
    stall = 0.9 if code in (0xF0, 0xF1, 0xF2) else 0.0
    with pytest.raises(SimulationError) as caught:
        one_way(
            misbehaving, sent, 4, stalls=Stalls.at_ends(0.0, stall), seed=1, watchdog_cycles=500
        )
    assert message in str(caught.value)
    assert str(caught.value).startswith("misbehaving, cycle ")


def test_a_module_is_used_again_after_it_failed(misbehaving: StreamModel) -> None:
    with pytest.raises(SimulationError):
        one_way(misbehaving, np.array([[0xF7]], np.uint8), 1)
    got = one_way(misbehaving, np.array([[4], [5]], np.uint8), 2)
    assert got.outputs[:, 0].tolist() == [4, 5]
    assert got.last.tolist() == [False, True]


@pytest.fixture(scope="module")
def two_stages(cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "passthrough.sv", SV / "two_stages.sv"],
        top="two_stages",
        ports=StreamPorts.axi(in_bits=32, out_bits=32),
        streams=("host", "first", "second"),
        cache=cache,
    )


def test_the_watchdog_names_the_internal_streams(two_stages: StreamModel) -> None:
    sent = np.array([[0xFF, 0, 0, 0]] * 6, np.uint8)
    with pytest.raises(StuckError) as caught:
        one_way(two_stages, sent, 6, watchdog_cycles=100)
    assert caught.value.streams == tuple(
        StreamState(name=name, valid=True, ready=False, transfers=count)
        for name, count in (("host", 3), ("first", 2), ("second", 1))
    )
    assert "input, host, first, second valid but not ready" in str(caught.value)
    assert "output ready but not valid" in str(caught.value)


def test_internal_streams_are_counted(two_stages: StreamModel) -> None:
    # More cycles than one filling of the bit-sliced counters.
    sent = beats(70_000, 32)
    got = one_way(two_stages, sent, 70_000)
    assert (got.outputs == sent).all()
    assert got.last.tolist() == (sent[:, 0] & 1).astype(bool).tolist()
    assert got.whole.identity == 0xB0B1B2B3
    assert [a.name for a in got.whole.activity] == ["host", "first", "second"]
    assert [a.transfers for a in got.whole.activity] == [70_000] * 3
    assert [a.stalled_cycles for a in got.whole.activity] == [0, 0, 0]
    assert [a.starved_cycles for a in got.whole.activity] == [2, 2, 2]


def line(stages: int, cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "passthrough.sv", SV / "line.sv"],
        top="line",
        ports=StreamPorts.kernel(inputs={"in": 8}, outputs={"out": 8}),
        parameters={"Stages": stages, "Gate": stages - 2},
        streams=tuple(f"s{i}" for i in range(stages + 1)),
        cache=cache,
    )


@pytest.mark.parametrize("stages", [7, 63, 64, 150])  # bits of one byte, of a word, of several
def test_any_number_of_streams_is_watched(stages: int, cache: Path) -> None:
    model, gate = line(stages, cache), stages - 2
    got = one_way(model, np.arange(200, dtype=np.uint8)[:, None], 200)
    assert got.outputs[:, 0].tolist() == list(range(200))
    assert [a.transfers for a in got.whole.activity] == [200] * (stages + 1)
    assert [a.starved_cycles for a in got.whole.activity] == [stages] * (stages + 1)
    assert [a.stalled_cycles for a in got.whole.activity] == [0] * (stages + 1)
    # Behind a 0xFF in the 11th word nothing passes the gate, and every stage before it fills.
    sent = np.where(np.arange(200) == 10, 255, 0).astype(np.uint8)[:, None]
    with pytest.raises(StuckError) as caught:
        one_way(model, sent, 200, watchdog_cycles=300)
    assert caught.value.streams == tuple(
        StreamState(name=f"s{i}", valid=i <= gate, ready=i > gate, transfers=11 + max(0, gate - i))
        for i in range(stages + 1)
    )
    if stages > 7:
        words = f": input, s0, s1, s2, s3, s4, s5, s6 and {gate - 6} more valid but not ready;"
        assert f"{words} s{gate + 1}, s{stages}, output ready but not valid" in str(caught.value)


@pytest.mark.parametrize("stages", [7, 64, 150])
def test_gates_hold_up_every_stream_and_lose_nothing(stages: int, cache: Path) -> None:
    model, sent = line(stages, cache), beats(2000, 7)
    ragged = Stalls(name="ragged", inner=Hold(share=0.3))
    runs = [one_way(model, sent, 2000, stalls=ragged, seed=seed) for seed in (1, 1, 2)]
    for run in runs:
        assert (run.outputs == sent).all()
        assert [a.transfers for a in run.whole.activity] == [2000] * (stages + 1)
        for stream in run.whole.activity:
            assert min(stream.stalled_cycles, stream.starved_cycles) > 0.05 * stream.cycles
    assert runs[0].out_cycles.tolist() == runs[1].out_cycles.tolist()
    assert runs[0].out_cycles.tolist() != runs[2].out_cycles.tolist()


def test_a_gate_leaves_a_stream_alone_that_was_held_up_enough(cache: Path) -> None:
    hold = Hold(share=0.7, pause_images=0.5)
    stalls = Stalls(name="pauses", inner=hold, enough=0.1)
    sent = beats(200, 7)
    pace = Pace(image_beats=1, interval_cycles=100)
    got = one_way(line(7, cache), sent, 200, stalls=stalls, image_cycles=100, pace=pace)
    assert (got.outputs == sent).all()
    for stream in got.whole.activity:
        assert 0.1 < stream.stalled_cycles / stream.cycles < 0.2


def test_pauses_are_as_long_and_as_many_as_asked(cache: Path) -> None:
    slow = Stalls(name="slow", output=Hold(share=0.75, pause_images=2))
    got = one_way(passthrough(8, cache), beats(20_000, 8), 20_000, stalls=slow, image_cycles=15)
    waits = np.diff(got.out_cycles)
    pauses = waits[waits > 1] - 1
    assert pauses.mean() == pytest.approx(30, rel=0.1)
    assert pauses.sum() / got.out_cycles[-1] == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("hold", [{"share": 1.0}, {"share": -0.1}, {"pause_images": -1}])
def test_a_hold_out_of_range_is_refused(hold: dict[str, float]) -> None:
    with pytest.raises(SimulationError, match=r"wanted a share in \[0, 1\) and pauses >= 0"):
        Hold(**hold)


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.6, 0.2), (0.1, 0.7)])
def test_high_water_is_the_most_that_was_ever_inside(
    stalls: tuple[float, float], cache: Path
) -> None:
    model = line(70, cache)
    fifos = [("s0", "s70"), ("s3", "s4"), ("s69", "s70"), ("s60", "s66"), ("s60", "s70")]
    got = one_way(model, beats(500, 7), 500, stalls=Stalls.at_ends(*stalls), fifos=fifos)
    inside = np.zeros(got.whole.cycles, np.int64)
    np.add.at(inside, got.in_cycles, 1)
    np.subtract.at(inside, got.out_cycles, 1)
    whole, first, last, part, end = got.whole.high_water
    assert whole == inside.cumsum().max()
    assert (first, last) == (1, 1)  # a word in and a word out in one cycle are still one word
    assert whole >= end >= part
    if stalls == (0.0, 0.0):
        assert (whole, end, part) == (70, 10, 6)


def test_paced_images_begin_at_least_an_interval_apart(cache: Path) -> None:
    model = line(7, cache)
    pace = Pace(image_beats=3, interval_cycles=10)
    got = one_way(model, beats(12, 7), 12, pace=pace, fifos=[("s0", "s7")])
    assert got.in_cycles.tolist() == [0, 3, 6, 10, 13, 16, 20, 23, 26, 30, 33, 36]
    assert got.whole.high_water == (3,)
    got = one_way(model, beats(300, 7), 300, pace=pace, stalls=Stalls.at_ends(0.3, 0.7))
    assert np.diff(got.in_cycles[::3]).min() == 10
    assert got.in_cycles[-1] > 1000


def test_a_pace_is_no_standstill(cache: Path) -> None:
    pace = Pace(image_beats=1, interval_cycles=3000)
    got = one_way(passthrough(8, cache), beats(3, 8), 3, pace=pace, watchdog_cycles=100)
    assert got.in_cycles.tolist() == [0, 3000, 6000]


def test_what_cannot_be_paced_or_watched_is_refused(two_stages: StreamModel) -> None:
    sent = beats(1, 32)
    with pytest.raises(SimulationError, match="two_stages: there is no internal stream 'third'"):
        one_way(two_stages, sent, 1, fifos=[("host", "first"), ("host", "third")])
    with pytest.raises(SimulationError, match="two_stages: wanted a pace of at least 1, got"):
        one_way(two_stages, sent, 1, pace=Pace(image_beats=1, interval_cycles=0))


@pytest.fixture(scope="module")
def crossing(cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "passthrough.sv", SV / "crossing.sv"],
        top="crossing",
        ports=StreamPorts.kernel(
            inputs={"left": 5, "right": 40}, outputs={"wide": 40, "narrow": 5}
        ),
        cache=cache,
    )


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.7, 0.2), (0.2, 0.7)])
def test_streams_of_one_side_are_held_up_each_by_itself(
    crossing: StreamModel, stalls: tuple[float, float]
) -> None:
    left, right = beats(300, 5, 1), beats(500, 40, 2)
    drive = Drive(stalls=Stalls.at_ends(*stalls))
    got = crossing.run([left, right], [500, 300], drive)
    wide, narrow = got.received
    assert (wide.beats == right).all() and (narrow.beats == left).all()
    assert [side.name for side in (*got.sent, *got.received)] == [
        "left",
        "right",
        "wide",
        "narrow",
    ]
    same = got.sent[0].cycles.tolist() == got.sent[1].cycles[:300].tolist()
    assert same == (stalls == (0.0, 0.0))


def test_faults_of_several_streams_are_told_with_their_names(crossing: StreamModel) -> None:
    left, right = beats(3, 5), beats(4, 40)
    with pytest.raises(StuckError) as caught:
        crossing.run([left, right], [4, 5], Drive(watchdog_cycles=100))
    assert str(caught.value).startswith("crossing, cycle ")
    assert str(caught.value).endswith(
        "stuck for 100 cycles: narrow ready but not valid (3 of 3 left beats taken,"
        " 4 of 4 right beats taken, 4 of 4 wide beats received, 3 of 5 narrow beats received)"
    )
    with pytest.raises(SimulationError, match="an output beat too many of narrow"):
        crossing.run([left, right], [4, 2])
    with pytest.raises(SimulationError, match="wanted beats of 2 inputs and 2 outputs, got 1 and"):
        crossing.run([left], [4, 3])


def test_a_session_goes_on_where_it_is_and_starts_anew_after_a_reset(crossing: StreamModel) -> None:
    nothing = [beats(0, 5), beats(0, 40)]
    with Session(crossing.compile(), data=None) as session:
        assert [(end.name, end.beat_bytes) for end in session.inputs] == [("left", 1), ("right", 5)]
        surplus = [beats(4, 5), beats(4, 40)]
        first = session.run(surplus, [4, 3], Drive(more=False))
        assert first.status is Status.FINISHED
        assert session.run(nothing, [0, 0], Drive()).status is Status.EXTRA_BEAT
        session.reset()
        assert session.run(nothing, [0, 0], Drive()).status is Status.FINISHED


def test_a_layout_that_is_no_longer_shared_is_told(cache: Path) -> None:
    class _Hold(ctypes.Structure):
        _fields_ = (("begin", ctypes.c_uint32), ("goes_on", ctypes.c_uint32))

    library = passthrough(8, cache).compile()
    layouts = verilator.Layouts(function="stream_layout", structures=(_Hold,))
    with pytest.raises(
        ToolFailedError,
        match=r"wanted a harness that shares Hold 8: begin 0\+4 goes_on 4\+4,"
        r" got Hold 8: begin 0\+4 continue_ 4\+4 — bring",
    ):
        verilator.load_library(library, {}, layouts)


def masked(data: Path, cache: Path) -> StreamModel:
    return StreamModel(
        sources=[SV / "masked.sv"],
        top="masked",
        ports=StreamPorts.kernel(inputs={"in": 2}, outputs={"out": 8}),
        parameters={"MaskFile": "mem/mask.mem"},
        data=data,
        cache=cache,
    )


def write_masks(folder: Path, text: str) -> Path:
    (folder / "mem").mkdir(parents=True)
    (folder / "mem" / "mask.mem").write_text(text)
    return folder


def test_one_compiled_model_reads_the_memory_files_of_each_folder(
    tmp_path: Path, cache: Path
) -> None:
    sent = np.array([[0], [1], [2], [3]], np.uint8)
    first = masked(write_masks(tmp_path / "a", "01 02 03 04\n"), cache)
    second = masked(write_masks(tmp_path / "b", "ff fe fd fc\n"), cache)
    assert first.compile() == second.compile()
    assert one_way(first, sent, 4).outputs[:, 0].tolist() == [1, 2, 3, 4]
    assert one_way(second, sent, 4).outputs[:, 0].tolist() == [255, 254, 253, 252]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "$readmem file not found (mem/mask.mem"),
        ("01 02 03 04 05\n", "address beyond bounds"),
        ("01 02 03 nonsense\n", "syntax error"),
    ],
)
def test_a_memory_file_that_does_not_fit_is_an_error(
    text: str | None, message: str, tmp_path: Path, cache: Path
) -> None:
    folder = tmp_path if text is None else write_masks(tmp_path, text)
    with pytest.raises(SimulationError) as caught:
        one_way(masked(folder, cache), np.zeros((1, 1), np.uint8), 1)
    assert message in str(caught.value)


def test_a_trace_is_written(two_stages: StreamModel, tmp_path: Path) -> None:
    sent = beats(50, 32)
    got = one_way(two_stages, sent, 50, trace=tmp_path / "waves.fst")
    assert (got.outputs == sent).all()
    waves = (tmp_path / "waves.fst").read_bytes()
    assert waves[0] == 0 and len(waves) > 1000  # an FST file begins with a header block, type 0
    assert b"stream_ready" in waves


def test_a_trace_that_cannot_be_written_is_an_error(
    two_stages: StreamModel, tmp_path: Path
) -> None:
    for place in (tmp_path / "nowhere" / "waves.fst", tmp_path):
        with pytest.raises(SimulationError, match="cannot write"):
            one_way(two_stages, beats(5, 32), 5, trace=place)


def test_a_trace_on_a_full_disk_is_an_error(two_stages: StreamModel, tmp_path: Path) -> None:
    two_stages.compile(trace=True)
    trace = Path(os.fsdecode(bytes(tmp_path) + b"/\xff.fst"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(SimulationError, match="cannot write the trace .* make room"):
            one_way(two_stages, beats(5, 32), 5, trace=trace)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((3, 1), np.uint8), "wanted input beats as uint8 (beats, 2), got uint8 (3, 1)"),
        (np.zeros((3, 2), np.int64), "got int64 (3, 2)"),
        (np.full((3, 2), 255, np.uint8), "has bits set above its 13 bits"),
    ],
)
def test_input_beats_that_do_not_fit_are_refused(
    inputs: np.ndarray, message: str, cache: Path
) -> None:
    with pytest.raises(SimulationError) as caught:
        one_way(passthrough(13, cache), inputs, 3)
    assert message in str(caught.value)


def test_ports_of_another_width_do_not_compile(cache: Path) -> None:
    model = StreamModel(
        sources=[SV / "passthrough.sv"],
        top="passthrough",
        ports=StreamPorts.kernel(inputs={"in": 8}, outputs={"out": 40}),
        cache=cache,
    )
    with pytest.raises(ToolFailedError, match="output port has another width"):
        model.compile()


def test_ctrl_c_stops_a_long_simulation(cache: Path) -> None:
    passthrough(8, cache).compile()
    script = f"""
import numpy as np
from pathlib import Path
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.stalls import Stalls
from bnnedge.verilated.stream import StreamModel

model = StreamModel(
    sources=[Path({str(SV / "passthrough.sv")!r})],
    top="passthrough",
    ports=StreamPorts.kernel(inputs={{"in": 8}}, outputs={{"out": 8}}),
    parameters={{"Width": 8}},
    cache=Path({str(cache)!r}),
)
beats = np.zeros((10_000_000, 1), np.uint8)
said = lambda done: print("running", flush=True)
slow = Drive(stalls=Stalls.at_ends(0.999, 0.0), watchdog_cycles=10**9)
model.run([beats], [len(beats)], slow, progress=said)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == -signal.SIGINT
    assert errors.strip().endswith("KeyboardInterrupt")
