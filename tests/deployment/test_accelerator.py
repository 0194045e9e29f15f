"""The driver against a device in Python that breaks the protocol on request."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import serial
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.deployment.runtime import DeviceError, Host, InputError, SerialAccelerator, load
from bnnedge.deployment.runtime.link import Link
from tests.deployment.fake_device import FakeDevice, dot_products, elements_of, framed
from tests.networks import random_inputs
from tests.networks.tables import real_inputs


def device_for(package: Path) -> FakeDevice:
    """The packaged network as the interpreter runs it."""
    host, dataflow = Host.load(package), Dataflow.load(package / "dataflow")

    def answer(encoded: NDArray[np.int64]) -> NDArray[np.int64]:
        images = encoded.reshape(-1, *dataflow.input.output_shape)
        accumulators = dataflow.accumulators_of(images)
        if host.manifest.hardware_classes:
            classes: NDArray[np.int64] = accumulators.argmax(axis=1, keepdims=True)
            return classes
        return accumulators

    return FakeDevice(host.manifest, dot_products(host, answer))


def opened(package: Path, device: FakeDevice) -> SerialAccelerator:
    link = Link(device, name="fake", baud=1_000_000, quiet_s=0.05, grace_s=0.5)
    return SerialAccelerator(Host.load(package), link)


@pytest.mark.parametrize("count", [0, 1, 3, 300])
def test_results_are_the_dataflows(logits_package: Path, count: int) -> None:
    dataflow = Dataflow.load(logits_package / "dataflow")
    batch = random_inputs(dataflow, count)
    accelerator = opened(logits_package, device_for(logits_package))
    results = accelerator.execute(batch)
    assert results.dtype == np.int64
    assert results.shape == (count, 5)
    assert (results == dataflow.run(batch)).all()
    assert (accelerator.logits(batch) == dataflow.logits(batch)).all()
    assert accelerator.resent == 0


@pytest.mark.parametrize("kind", ["pixels_package", "sums_package"])
def test_results_from_integers_are_the_dataflows(kind: str, request: pytest.FixtureRequest) -> None:
    package = request.getfixturevalue(kind)
    dataflow = Dataflow.load(package / "dataflow")
    batch = real_inputs(dataflow, 60, seed=3)
    accelerator = opened(package, device_for(package))
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()
    assert (accelerator.logits(batch) == dataflow.logits(batch)).all()


@pytest.mark.smoke
def test_classes_from_hardware_are_the_dataflows(classes_package: Path) -> None:
    dataflow = Dataflow.load(classes_package / "dataflow")
    batch = random_inputs(dataflow, 50)
    accelerator = opened(classes_package, device_for(classes_package))
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()
    with pytest.raises(InputError, match="sends no logits"):
        accelerator.logits(batch)


@pytest.mark.parametrize("window", [1, 2, 4, 64])
def test_window_is_kept_full_and_never_exceeded(logits_package: Path, window: int) -> None:
    device = device_for(logits_package)
    device.identity = device.identity[:2] + bytes([window]) + device.identity[3:]
    dataflow = Dataflow.load(logits_package / "dataflow")
    batch = random_inputs(dataflow, 100)
    assert (opened(logits_package, device).execute(batch) == dataflow.run(batch)).all()
    assert device.most_waiting == window


def test_silence_comes_before_the_first_question(logits_package: Path) -> None:
    device = device_for(logits_package)
    device._out = b"left over from another program"
    opened(logits_package, device)
    assert device.idle_reads == 1


def edited(frame: bytes, place: int, value: int) -> bytes:
    return frame[:place] + bytes([value]) + frame[place + 1 :]


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (1, 2, "wanted protocol version 1, got 2"),
        (3, 0x00, "runs another network: wanted id"),
        (7, 77, "wanted 4 bytes per image and 8 per result, got 77 and 8"),
        (9, 77, "wanted 4 bytes per image and 8 per result, got 4 and 77"),
        (2, 0, "window 0"),
    ],
)
def test_other_device_is_refused(logits_package: Path, place: int, value: int, text: str) -> None:
    device = device_for(logits_package)
    assert device.identity[place] != value
    device.identity = edited(device.identity, place, value)
    with pytest.raises(DeviceError) as caught:
        opened(logits_package, device)
    assert text in str(caught.value)
    assert "program this package's bitstream" in str(caught.value)


def test_silent_device_is_given_up(logits_package: Path) -> None:
    device = device_for(logits_package)
    device.mangle = lambda number, frame: b""
    with pytest.raises(DeviceError, match="fake does not answer at 3125000 baud .* got 0"):
        opened(logits_package, device)


def test_device_that_never_falls_silent_is_given_up(logits_package: Path) -> None:
    device = device_for(logits_package)
    device.read = lambda size=1: b"?" * size  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="fake never falls silent"):
        opened(logits_package, device)


def test_port_that_vanishes_is_named(logits_package: Path) -> None:
    device = device_for(logits_package)
    accelerator = opened(logits_package, device)

    def gone(data: bytes) -> int:
        raise OSError(5, "Input/output error")

    device.write = gone  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match="fake is gone: .*Input/output error"):
        accelerator.execute(np.ones((1, 19)))


def flip(frame: bytes) -> bytes:
    return edited(frame, len(frame) // 2, frame[len(frame) // 2] ^ 4)


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "lost": lambda frame: b"",
    "first byte lost": lambda frame: frame[1:],
    "last byte lost": lambda frame: frame[:-1],
    "bit flipped": flip,
    "letter flipped": lambda frame: edited(frame, 0, 0x00),
    "noise before": lambda frame: b"\xa5" + frame,
    "image refused": lambda frame: framed(b"e" + frame[1:2] + b"\1"),
    "stale tag": lambda frame: framed(b"r" + bytes([frame[1] ^ 0x80]) + frame[2:-2]) + frame,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("numbers", [{3}, {1, 2, 3}, {5, 9, 30}, {1, 11, 21, 31, 41}])
def test_disturbed_replies_are_asked_for_again(
    logits_package: Path, fault: str, numbers: set[int]
) -> None:
    device = device_for(logits_package)
    dataflow = Dataflow.load(logits_package / "dataflow")
    batch = random_inputs(dataflow, 60)
    accelerator = opened(logits_package, device)
    change = FAULTS[fault]
    device.mangle = lambda number, frame: (
        change(frame) if number in numbers and frame[:1] == b"r" else frame
    )
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()
    assert (accelerator.resent > 0) == (fault != "stale tag")
    assert device.most_waiting <= accelerator.identity.window


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"stale tag"}))
def test_device_without_any_good_reply_is_given_up(logits_package: Path, fault: str) -> None:
    device = device_for(logits_package)
    accelerator = opened(logits_package, device)
    change = FAULTS[fault]
    device.mangle = lambda number, frame: change(frame) if frame[:1] == b"r" else frame
    with pytest.raises(DeviceError, match="fake: no result in 4 attempts"):
        accelerator.execute(np.ones((8, 19)))


def test_tags_sent_again_are_fresh(logits_package: Path) -> None:
    device = device_for(logits_package)
    accelerator = opened(logits_package, device)
    device.mangle = lambda number, frame: flip(frame) if number == 1 else frame
    accelerator.execute(np.ones((4, 19)))
    assert device.tags == list(range(8))


def test_lost_replies_survive_the_tags_running_round(logits_package: Path) -> None:
    device = device_for(logits_package)
    dataflow = Dataflow.load(logits_package / "dataflow")
    batch = random_inputs(dataflow, 700)
    accelerator = opened(logits_package, device)
    device.mangle = lambda number, frame: b"" if number in {2, 3, 4, 300} else frame
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()
    assert accelerator.resent == 4


def test_throughput_test_counts_its_images(logits_package: Path) -> None:
    ticks = iter([10.0, 12.0])
    link = Link(device_for(logits_package), name="f", baud=10**6, quiet_s=0.05, grace_s=0.5)
    host = Host.load(logits_package)
    found = SerialAccelerator(host, link, clock=lambda: next(ticks)).throughput_test(50)
    assert (found.images, found.seconds, found.images_per_s) == (50, 2.0, 25.0)
    assert found.bound_images_per_s == 25_000_000 / (10 * 8 * (4 + 8))


@pytest.mark.parametrize("kind", ["logits_package", "pixels_package", "sums_package"])
def test_throughput_test_sends_images_that_the_network_takes(
    kind: str, request: pytest.FixtureRequest
) -> None:
    package = request.getfixturevalue(kind)
    dataflow, device = Dataflow.load(package / "dataflow"), device_for(package)
    host, compute, seen = Host.load(package), device.compute, []

    def watched(image: bytes) -> bytes:
        seen.append(elements_of(image, host))
        return compute(image)

    device.compute = watched
    opened(package, device).throughput_test(200)
    element = dataflow.input.stream.element
    assert len(seen) == 200
    assert np.min(seen) == element.smallest and np.max(seen) == element.largest


def test_throughput_of_nothing_is_refused(logits_package: Path) -> None:
    accelerator = opened(logits_package, device_for(logits_package))
    with pytest.raises(InputError, match="wanted 1 image or more, got 0"):
        accelerator.throughput_test(0)


def test_bound_is_the_networks_where_it_is_slower(logits_package: Path) -> None:
    manifest = dataclasses.replace(Host.load(logits_package).manifest, interval_cycles=10_000)
    assert manifest.bound_images_per_s == 2500


def test_a_window_of_large_images_may_be_written(
    logits_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, float] = {}

    def refuse(name: str, **given: float) -> None:
        options.update(given)
        raise OSError("that is all")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(DeviceError, match="that is all"):
        load(logits_package, port="/dev/ttyUSB0")
    assert options["write_timeout"] == 0.5 + 4 * 10 * (4 + 4) / 3_125_000


def test_port_that_does_not_exist_is_named(logits_package: Path) -> None:
    with pytest.raises(DeviceError, match="cannot open /dev/no-such-port"):
        load(logits_package, port="/dev/no-such-port")
