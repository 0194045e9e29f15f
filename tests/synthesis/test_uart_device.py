"""The serial device, in simulation, around a stand-in network: answers, faults, recovery."""

import binascii
import ctypes
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge.links.base import SV_FOLDER
from bnnedge.links.uart import MODULES
from bnnedge.verilated import serial, verilator
from bnnedge.verilated.serial import SerialModel, SerialPorts

CORE = Path(__file__).parent / "sv" / "bnnedge_core.sv"
SOURCES = [*(SV_FOLDER / f"{module}.sv" for module in MODULES), CORE]
CLOCKS_PER_BIT = 8
TIMEOUT = 1000
BEATS = 3
IMAGE_BYTES = 4 * BEATS
ID_WORD = 0xB17EDA7A
PARAMETERS = {"ClocksPerBit": CLOCKS_PER_BIT, "TimeoutClocks": TIMEOUT, "InputBeats": BEATS}


def framed(data: bytes) -> bytes:
    return data + binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def run_frame(tag: int, image: bytes) -> bytes:
    return framed(b"R" + bytes([tag]) + image)


def result_frame(tag: int, image: bytes) -> bytes:
    words = struct.unpack(f"<{BEATS}I", image)
    both = 0
    for word in words:
        both ^= word
    return framed(b"r" + bytes([tag]) + struct.pack("<II", sum(words) & 0xFFFFFFFF, both))


IDENTITY = framed(struct.pack("<cBBIHH", b"i", 1, 4, ID_WORD, IMAGE_BYTES, 8))


def fault_frame(tag: int, fault: int) -> bytes:
    return framed(b"e" + bytes([tag, fault]))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serial.compile_serial_model(
        sources=SOURCES, top="uart_device", ports=SerialPorts(), parameters=PARAMETERS
    )


def framing_errors(model: SerialModel) -> int:
    """Bytes from the device whose stop bit was low."""
    count = model._library.serial_framing_errors
    count.argtypes, count.restype = [ctypes.c_void_p], ctypes.c_uint64
    return int(count(model._handle))


@pytest.fixture
def line(library: Path) -> Iterator[SerialModel]:
    with SerialModel(library, clocks_per_bit=CLOCKS_PER_BIT, data_folder=Path()) as model:
        model.wait(2 * TIMEOUT)
        yield model
        assert framing_errors(model) == 0


def images(count: int, seed: int = 1) -> list[bytes]:
    return [random.Random(seed + i).randbytes(IMAGE_BYTES) for i in range(count)]


def everything(line: SerialModel) -> bytes:
    """All that comes until the device has long been silent."""
    return line.read(10_000, timeout_clocks=60 * 20 * CLOCKS_PER_BIT + 3 * TIMEOUT)


def test_sources_have_no_lint_warnings() -> None:
    verilator.lint(SOURCES, top="uart_device", parameters=PARAMETERS)


def test_identity_names_protocol_design_and_sizes(line: SerialModel) -> None:
    line.write(b"I")
    assert everything(line) == IDENTITY


@pytest.mark.parametrize("clocks_per_bit", [7.75, 8.25])
def test_image_is_answered_when_clocks_differ(library: Path, clocks_per_bit: float) -> None:
    image = images(1)[0]
    with SerialModel(library, clocks_per_bit=clocks_per_bit, data_folder=Path()) as line:
        line.wait(2 * TIMEOUT)
        line.write(run_frame(7, image))
        assert everything(line) == result_frame(7, image)


def test_window_of_images_is_answered_in_order(line: SerialModel) -> None:
    batch = images(4)
    line.write(b"".join(run_frame(200 + i, image) for i, image in enumerate(batch)))
    expected = b"".join(result_frame(200 + i, image) for i, image in enumerate(batch))
    assert everything(line) == expected


def test_host_that_keeps_the_window_full_streams_without_loss(line: SerialModel) -> None:
    batch = images(40, seed=5)
    size = len(result_frame(0, batch[0]))
    for i in range(4):
        line.write(run_frame(i, batch[i]))
    for i, image in enumerate(batch):
        assert line.read(size, timeout_clocks=100_000) == result_frame(i, image)
        if i + 4 < len(batch):
            line.write(run_frame(i + 4, batch[i + 4]))
    assert everything(line) == b""


def test_image_beyond_the_window_is_refused_and_the_others_run(tmp_path: Path) -> None:
    slow = serial.compile_serial_model(
        sources=[*SOURCES[:-1], slow_core(tmp_path)],
        top="uart_device",
        ports=SerialPorts(),
        parameters=PARAMETERS,
    )
    batch = images(6, seed=9)
    with SerialModel(slow, clocks_per_bit=CLOCKS_PER_BIT, data_folder=Path()) as line:
        line.wait(2 * TIMEOUT)
        line.write(b"".join(run_frame(i, image) for i, image in enumerate(batch)))
        got = line.read(10_000, timeout_clocks=200_000)
        expected = fault_frame(4, 4) + fault_frame(5, 4)
        assert got == expected + b"".join(result_frame(i, batch[i]) for i in range(4))
        line.write(run_frame(6, batch[5]))
        assert line.read(10_000, timeout_clocks=60_000) == result_frame(6, batch[5])


def slow_core(folder: Path) -> Path:
    """The stand-in, so slow that the line is faster (a deeply folded network)."""
    text = CORE.read_text().replace("Delay = 5", "Delay = 20000")
    path = folder / CORE.name
    path.write_text(text)
    return path


def test_damaged_image_is_refused_and_leaves_no_trace(line: SerialModel) -> None:
    first, second = images(2)
    damaged = bytearray(run_frame(1, first))
    damaged[5] ^= 0x10
    line.write(bytes(damaged))
    line.hold(1, 2 * TIMEOUT)
    line.write(run_frame(2, second))
    assert everything(line) == fault_frame(1, 1) + result_frame(2, second)


def test_unfinished_image_times_out_and_leaves_no_trace(line: SerialModel) -> None:
    first, second = images(2)
    line.write(run_frame(1, first)[:9])
    line.hold(1, 2 * TIMEOUT)
    line.write(run_frame(2, second))
    assert everything(line) == fault_frame(1, 2) + result_frame(2, second)


def test_low_stop_bit_breaks_the_frame(line: SerialModel) -> None:
    image = images(1)[0]
    line.write(run_frame(1, image)[:9])
    line.hold(0, 20 * CLOCKS_PER_BIT)
    line.write(b"I" * 20)  # not taken for commands before the line was quiet
    line.hold(1, 2 * TIMEOUT)
    line.write(run_frame(2, image))
    assert everything(line) == fault_frame(1, 3) + result_frame(2, image)


def test_lost_byte_is_recovered_after_quiet(line: SerialModel) -> None:
    batch = images(3)
    broken = run_frame(0, batch[0])
    line.write(broken[:6] + broken[7:] + run_frame(1, batch[1]))
    line.hold(1, 2 * TIMEOUT)
    line.write(run_frame(2, batch[2]))
    assert everything(line) == fault_frame(0, 1) + result_frame(2, batch[2])


def test_glitches_of_one_clock_are_not_seen(line: SerialModel) -> None:
    image = images(1)[0]
    for _ in range(20):
        line.hold(0, 1)
        line.hold(1, 13)
    line.write(run_frame(3, image))
    assert everything(line) == result_frame(3, image)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_followed_by_right_answers(line: SerialModel, seed: int) -> None:
    random_ = random.Random(seed)
    image = images(1, seed)[0]
    for _ in range(100):
        line.hold(random_.randrange(2), random_.randrange(1, 120))
    line.write(random_.randbytes(30) + b"RRIRI")
    line.hold(1, 2 * TIMEOUT)
    line.wait(40_000)
    everything(line)  # whatever the noise was taken for; its frames are discarded by the host
    line.write(b"I" + run_frame(9, image))
    assert everything(line) == IDENTITY + result_frame(9, image)


def test_byte_that_is_no_command_silences_the_device_until_quiet(line: SerialModel) -> None:
    line.write(b"\x00I")
    line.hold(1, 2 * TIMEOUT)
    line.write(b"I")
    assert everything(line) == IDENTITY
