"""Stored images in the serial device, around a stand-in network: rates, wrong words, refusals."""

import dataclasses
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from bnnedge.verilated import serial, verilator
from bnnedge.verilated.serial import SerialModel, SerialPorts
from tests.synthesis.test_uart_device import (
    CLOCKS_PER_BIT,
    CORE,
    IDENTITY,
    PARAMETERS,
    SOURCES,
    TIMEOUT,
    everything,
    fault_frame,
    framed,
    images,
    result_frame,
    run_frame,
)

WORDS_BEFORE = 16  # four images of three words, as a power of two
ALONE = 3 + 5 + 2  # clocks of an image in the stand-in: words in, delay, words out
FIRST = ALONE - 1  # from its first word to its last


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    rounds: int
    results: int
    wrong: int
    first: int
    last: int


def report_of(reply: bytes) -> Report:
    assert len(reply) == 20 and framed(reply[:-2]) == reply
    letter, *counts = struct.unpack("<cBIIII", reply[:-2])
    assert letter == b"m"
    names = [field.name for field in dataclasses.fields(Report)]
    return Report(**dict(zip(names, counts, strict=True)))


def measure_frame(rounds: int) -> bytes:
    return framed(b"M" + bytes([rounds % 256]))


def words_of(data: bytes) -> list[int]:
    return [word for (word,) in struct.iter_unpack("<I", data)]


def write_memories(folder: Path, batch: Sequence[bytes], wrong: Sequence[int] = ()) -> Path:
    """Images and results; of the words of results with these numbers one bit is wrong."""
    results = [w for image in batch for w in words_of(result_frame(0, image)[2:-2])]
    for place, number in enumerate(wrong):
        results[number] ^= 1 << (31 - place)
    stored = [word for image in batch for word in words_of(image)]
    for name, words in (("i.mem", [0] * WORDS_BEFORE + stored), ("r.mem", [0, 0, *results])):
        (folder / name).write_text("".join(f"{word:08x}\n" for word in words))
    return folder


def compiled(count: int, core: Path = CORE, **parameters: int) -> Path:
    stored = {"StoredImages": count, "ImageFile": "i.mem", "ResultFile": "r.mem"}
    return serial.compile_serial_model(
        sources=[*SOURCES[:-1], core],
        top="uart_device",
        ports=SerialPorts(),
        parameters={**PARAMETERS, **stored, **parameters},
    )


def answer(library: Path, folder: Path, data: bytes, size: int = 20) -> bytes:
    with SerialModel(library, clocks_per_bit=CLOCKS_PER_BIT, data_folder=folder) as line:
        line.wait(2 * TIMEOUT)
        line.write(data)
        return line.read(size, timeout_clocks=500_000)


def test_sources_with_a_store_have_no_lint_warnings() -> None:
    stored = {"StoredImages": 3, "ImageFile": "i.mem", "ResultFile": "r.mem"}
    verilator.lint(SOURCES, top="uart_device", parameters={**PARAMETERS, **stored})


@pytest.mark.parametrize(("count", "rounds"), [(1, 1), (1, 5), (5, 1), (5, 2), (5, 256)])
def test_rate_of_the_network_is_counted(count: int, rounds: int, tmp_path: Path) -> None:
    folder = write_memories(tmp_path, images(count))
    report = report_of(answer(compiled(count), folder, measure_frame(rounds)))
    total = count * rounds
    assert report == Report(
        rounds=rounds % 256,
        results=total,
        wrong=0,
        first=FIRST,
        last=FIRST + (total - 1) * ALONE,
    )


@pytest.mark.parametrize("wrong", [(0,), (9,), (3, 4), tuple(range(10))])
def test_wrong_words_are_counted(wrong: tuple[int, ...], tmp_path: Path) -> None:
    folder = write_memories(tmp_path, images(5), wrong)
    report = report_of(answer(compiled(5), folder, measure_frame(3)))
    assert (report.results, report.wrong) == (15, 3 * len(wrong))


def stalling_core(folder: Path) -> Path:
    """The stand-in, which does not always take a word, and delays results now and then."""
    stalls = """  logic [15:0] lfsr_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) lfsr_q <= 16'hace1;
    else lfsr_q <= {lfsr_q[14:0], lfsr_q[15] ^ lfsr_q[13] ^ lfsr_q[12] ^ lfsr_q[10]};
  end
  assign full ="""
    text = CORE.read_text()
    for old, new in (
        ("  assign full =", stalls),
        ("rst_ni & ~full;", "rst_ni & ~full & lfsr_q[3];"),
        ("if (full && !m_axis_tvalid)", "if (full && !m_axis_tvalid && lfsr_q[7])"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / CORE.name
    path.write_text(text)
    return path


def test_network_that_stops_now_and_then_loses_nothing(tmp_path: Path) -> None:
    folder = write_memories(tmp_path, images(6, seed=4), wrong=(7,))
    library = compiled(6, stalling_core(tmp_path))
    report = report_of(answer(library, folder, measure_frame(40)))
    assert (report.results, report.wrong) == (240, 40)
    assert report.last > 1.3 * 240 * ALONE


def test_images_from_the_line_go_before_and_after(tmp_path: Path) -> None:
    batch = images(4)
    library = compiled(4)
    folder = write_memories(tmp_path, batch)
    with SerialModel(library, clocks_per_bit=CLOCKS_PER_BIT, data_folder=folder) as line:
        line.wait(2 * TIMEOUT)
        for turn in range(2):  # nothing is left of a measurement
            line.write(run_frame(1, batch[1]) + run_frame(2, batch[2]) + measure_frame(1) + b"I")
            before = result_frame(1, batch[1]) + result_frame(2, batch[2])
            got = everything(line)
            assert got[: len(before)] == before, turn
            rest = got[len(before) :]
            assert sorted((len(rest), rest.count(IDENTITY))) == [1, 33]
            assert report_of(rest.replace(IDENTITY, b"")).last == FIRST + 3 * ALONE
            line.write(run_frame(3, batch[3]))
            assert everything(line) == result_frame(3, batch[3])


def test_whatever_comes_while_it_measures_is_refused(tmp_path: Path) -> None:
    batch = images(4)
    folder = write_memories(tmp_path, batch)
    with SerialModel(compiled(4), clocks_per_bit=CLOCKS_PER_BIT, data_folder=folder) as line:
        line.wait(2 * TIMEOUT)
        line.write(measure_frame(200) + measure_frame(3) + run_frame(9, batch[0]))
        got = everything(line)
        faults = fault_frame(3, 4) + fault_frame(9, 4)
        assert got[: len(faults)] == faults
        assert report_of(got[len(faults) :]).results == 800


def test_damaged_command_measures_nothing(tmp_path: Path) -> None:
    folder = write_memories(tmp_path, images(2))
    damaged = bytearray(measure_frame(5))
    damaged[1] ^= 2
    with SerialModel(compiled(2), clocks_per_bit=CLOCKS_PER_BIT, data_folder=folder) as line:
        line.wait(2 * TIMEOUT)
        line.write(bytes(damaged))
        assert everything(line) == fault_frame(7, 1)


def test_device_without_a_store_knows_no_such_command() -> None:
    library = serial.compile_serial_model(
        sources=SOURCES, top="uart_device", ports=SerialPorts(), parameters=PARAMETERS
    )
    assert answer(library, Path(), measure_frame(1) + b"I") == b""


WIDE = CORE.parent / "wide" / CORE.name


@pytest.mark.parametrize("width_bits", [784, pytest.param(1024, marks=pytest.mark.slow)])
def test_word_as_wide_as_an_image_goes_every_clock(width_bits: int, tmp_path: Path) -> None:
    size = width_bits // 8
    batch = [bytes((7 * i + 3 * k * k + 1) % 256 for i in range(size)) for k in range(6)]
    results = [sum(words_of(image + bytes(-size % 4))) % (1 << 16) for image in batch]
    stored = [image[::-1].hex() for image in batch]
    (tmp_path / "i.mem").write_text("\n".join(["0" * (2 * size)] * 4 + stored) + "\n")
    (tmp_path / "r.mem").write_text("\n".join(f"{r:04x}" for r in [0, 0, *results]) + "\n")
    library = compiled(6, WIDE, InputWidth=width_bits, InputBeats=1, OutputWidth=16, OutputBeats=1)
    with SerialModel(library, clocks_per_bit=CLOCKS_PER_BIT, data_folder=tmp_path) as line:
        line.wait(2 * TIMEOUT)
        line.write(measure_frame(100))
        report = report_of(line.read(20, timeout_clocks=100_000))
        assert report == Report(rounds=100, results=600, wrong=0, first=2, last=601)
        line.write(b"".join(framed(b"R" + bytes([k]) + image) for k, image in enumerate(batch[:3])))
        got = line.read(18, timeout_clocks=200_000)
        wanted = [framed(b"r" + struct.pack("<BH", k, results[k])) for k in range(3)]
        assert got == b"".join(wanted)
