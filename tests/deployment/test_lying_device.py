"""Whatever a device says, and however slowly: the right results or one error, in bounded time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.deployment.runtime import DeviceError
from tests.deployment.fake_device import framed
from tests.deployment.lying_device import LyingDevice, most_s, noise, opened
from tests.networks import random_inputs

IMAGES = 12


def outcome(device: LyingDevice, package: Path) -> str:
    """What the driver says after it ran some images; "right" where all results are."""
    dataflow = Dataflow.load(package / "dataflow")
    batch = random_inputs(dataflow, IMAGES)
    try:
        accelerator = opened(device)
        results = accelerator.execute(batch)
    except DeviceError as error:
        text = str(error)
        assert "\n" not in text
    else:
        assert (results == dataflow.run(batch)).all()
        text = "right"
    assert device.now <= (IMAGES + 1) * most_s(device.host)
    assert device.reads < 20_000
    return text


def stale(device: LyingDevice, tag: int = 200) -> bytes:
    return framed(b"r" + bytes([tag]) + bytes(device.host.manifest.output_bytes))


def always(frame: bytes) -> Callable[[int], bytes]:
    return lambda number: frame


@pytest.mark.parametrize(
    ("period_s", "text"),
    [(1e-6, "results that nobody asked for"), (0.3, "s without what was asked for"), (0.6, "")],
)
def test_results_of_unknown_tags_for_ever(logits_package: Path, period_s: float, text: str) -> None:
    device = LyingDevice(logits_package, answer=lambda *_: None)
    device.since, device.period_s = 0.2, period_s
    device.chatter = always(stale(device))
    found = outcome(device, logits_package)
    assert text in found and found != "right"


def test_right_results_among_many_that_nobody_asked_for(logits_package: Path) -> None:
    device = LyingDevice(logits_package)
    device.answer = lambda device, number, tag, frame: device.say(
        100 * stale(device, tag ^ 128) + frame
    )
    assert outcome(device, logits_package) == "right"


@pytest.mark.parametrize("size", [1, 7, 256, 5000])
@pytest.mark.parametrize("period_s", [1e-5, 0.011, 0.09])
def test_line_that_is_never_silent(logits_package: Path, size: int, period_s: float) -> None:
    device = LyingDevice(logits_package)
    device.period_s, device.chatter = period_s, always(b"?" * size)
    found = outcome(device, logits_package)
    assert "never falls silent" in found or "s without what was asked for" in found


@pytest.mark.parametrize("seed", range(3))
def test_noise_that_begins_while_images_are_under_way(logits_package: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    device = LyingDevice(logits_package, answer=lambda *_: None)
    device.since, device.period_s = 0.15, 0.02
    device.chatter = lambda number: noise(random, 9)
    assert outcome(device, logits_package) != "right"


@pytest.mark.parametrize("delay_s", [0.6, 2.0, 1e6])
def test_replies_slower_than_the_timeout(logits_package: Path, delay_s: float) -> None:
    device = LyingDevice(logits_package)
    device.answer = lambda device, number, tag, frame: device.say(frame, delay_s)
    assert "no result in 4 attempts" in outcome(device, logits_package)


@pytest.mark.parametrize("apart_s", [0.05, 0.4])
def test_replies_that_drip(logits_package: Path, apart_s: float) -> None:
    def drip(device: LyingDevice, number: int, tag: int, frame: bytes) -> None:
        for place in range(len(frame)):
            device.say(frame[place : place + 1], (place + number * len(frame)) * apart_s)

    outcome(LyingDevice(logits_package, answer=drip), logits_package)


IDENTITIES: dict[str, tuple[Callable[[LyingDevice, int], bytes], str]] = {
    "partial": (lambda device, number: device.identified()[:5], "does not answer"),
    "damaged": (lambda device, number: device.identified()[:-1] + b"\0", "does not answer"),
    "an echo": (lambda device, number: b"I", "begins with b'I'"),
    "largest image": (
        lambda device, number: device.identified(image_bytes=65535),
        "got 65535 and 8",
    ),
    "largest result": (
        lambda device, number: device.identified(result_bytes=65535),
        "got 4 and 65535",
    ),
    "nothing": (
        lambda device, number: device.identified(image_bytes=0, result_bytes=0),
        "got 0 and 0",
    ),
    "another id later": (
        lambda device, number: device.identified(**({"id_word": 7} if number else {})),
        "runs another network",
    ),
    "another size later": (
        lambda device, number: device.identified(**({"result_bytes": 9} if number else {})),
        "got 4 and 9",
    ),
    "no window later": (
        lambda device, number: device.identified(**({"window": 0} if number else {})),
        "window 0",
    ),
    "a larger window later": (
        lambda device, number: device.identified(window=255 if number else 4),
        "right",
    ),
    "twice": (lambda device, number: 2 * device.identified(), "begins with b'i'"),
}


@pytest.mark.parametrize("kind", IDENTITIES)
def test_identity_that_is_or_becomes_wrong(logits_package: Path, kind: str) -> None:
    identity, text = IDENTITIES[kind]
    device = LyingDevice(logits_package)
    device.identity = lambda number: identity(device, number)
    # A lost reply is noticed by order; only the last one makes the driver ask again who it is.
    device.answer = lambda device, number, tag, frame: (
        None if number == IMAGES - 1 else device.say(frame)
    )
    assert text in outcome(device, logits_package)


REPLIES: dict[str, tuple[Callable[[LyingDevice, int, int, bytes], bytes], str]] = {
    "first half": (lambda device, number, tag, frame: frame[: len(frame) // 2], "no result in 4"),
    "letter only": (lambda device, number, tag, frame: frame[:1], "no result in 4"),
    "all but a byte": (lambda device, number, tag, frame: frame[:-1], "no result in 4"),
    "three times": (lambda device, number, tag, frame: 3 * frame, "right"),
    "every second one": (lambda device, number, tag, frame: frame * (number % 2), ""),
    "faults": (
        lambda device, number, tag, frame: framed(b"e" + bytes([tag, number % 256])),
        "the device reports",
    ),
    "an identity instead": (
        lambda device, number, tag, frame: device.identified(),
        "begins with b'i'",
    ),
    "before it is asked": (
        lambda device, number, tag, frame: stale(device, (tag + 9) % 256) + frame,
        "right",
    ),
}


@pytest.mark.parametrize("kind", REPLIES)
def test_replies_that_are_wrong(logits_package: Path, kind: str) -> None:
    reply, text = REPLIES[kind]
    device = LyingDevice(
        logits_package, answer=lambda device, *given: device.say(reply(device, *given))
    )
    assert text in outcome(device, logits_package)


def test_replies_in_reverse_order(logits_package: Path) -> None:
    kept: list[bytes] = []

    def collect(device: LyingDevice, number: int, tag: int, frame: bytes) -> None:
        kept.append(frame)
        if number % 4 == 3:
            device.say(b"".join(reversed(kept)))
            kept.clear()

    outcome(LyingDevice(logits_package, answer=collect), logits_package)


IMPOSSIBLE = {
    "another parity": lambda result: bytes([result[0] ^ 1]) + result[1:],
    "beyond the range": lambda result: bytes([14]) + result[1:],
    "below the range": lambda result: bytes([256 - 14]) + result[1:],
    "the padding": lambda result: result[:-1] + b"\1",
    "all ones": lambda result: b"\xff" * len(result),
}


@pytest.mark.parametrize("kind", IMPOSSIBLE)
@pytest.mark.parametrize("call", ["execute", "logits", "throughput_test"])
def test_results_that_the_network_cannot_give(logits_package: Path, kind: str, call: str) -> None:
    def lie(device: LyingDevice, number: int, tag: int, frame: bytes) -> None:
        result = IMPOSSIBLE[kind](frame[2:-2]) if number == 3 else frame[2:-2]
        device.say(framed(frame[:2] + result))

    accelerator = opened(LyingDevice(logits_package, answer=lie))
    batch = random_inputs(Dataflow.load(logits_package / "dataflow"), IMAGES)
    asked = {"execute": batch, "logits": batch, "throughput_test": 9}[call]
    with pytest.raises(DeviceError, match="wanted (an accumulator from|zeros behind)"):
        getattr(accelerator, call)(asked)


def mangled(random: np.random.Generator, device: LyingDevice, tag: int, frame: bytes) -> None:
    """One of many faults, and sometimes none."""
    match random.integers(0, 14):
        case 0:
            device.say(frame[: random.integers(0, len(frame))])
        case 1:
            place = random.integers(0, 8 * len(frame))
            device.say(
                bytes(b ^ (1 << place % 8 if n == place // 8 else 0) for n, b in enumerate(frame))
            )
        case 2:
            device.say(noise(random, int(random.integers(1, 400))) + frame)
        case 3:
            device.say(frame, float(random.exponential(0.4)))
        case 4:
            device.say(int(random.integers(1, 700)) * stale(device, (tag + 128) % 256) + frame)
        case 5:
            device.say(framed(b"e" + bytes([tag, random.integers(0, 256)])))
        case 6:
            device.say(device.identified() + frame)
        case 7:
            for start in range(0, len(frame), 3):
                device.say(frame[start : start + 3], 0.2 * start)
        case 8:
            device.say(2 * frame)
        case _:
            device.say(frame)


@pytest.mark.parametrize("seed", range(40))
def test_faults_at_random(logits_package: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    share = random.random()

    def answer(device: LyingDevice, number: int, tag: int, frame: bytes) -> None:
        if random.random() < share:
            mangled(random, device, tag, frame)
        else:
            device.say(frame)

    device = LyingDevice(logits_package, answer=answer)
    if seed % 5 == 0:
        device.since, device.period_s = float(random.random()), float(random.exponential(0.3))
        device.chatter = lambda number: noise(random, 3)
    outcome(device, logits_package)
