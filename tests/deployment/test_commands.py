"""The packaged command lines: whatever goes wrong is one line and exit status 1."""

import hashlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bnnedge.deployment.runtime import DeviceError
from bnnedge.deployment.runtime.commands import run
from bnnedge.deployment.runtime.errors import InputError
from bnnedge.deployment.runtime.files import read_batch, require_writable, write_results
from tests.deployment.test_deploy import standalone
from tests.processes import listen_to_ctrl_c


@pytest.fixture
def handlers() -> Iterator[None]:
    before = [
        (name, signal.signal(name, default))
        for name, default in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL),
        )
    ]
    yield
    for name, handler in before:
        signal.signal(name, handler)


def raises(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (raises(DeviceError("gone\nand away")), "gone and away"),
        (raises(OSError(28, "No space left on device")), "[Errno 28] No space left on device"),
        (raises(MemoryError()), "not enough memory; take fewer images"),
        (raises(KeyboardInterrupt()), "interrupted"),
        (lambda: signal.raise_signal(signal.SIGTERM), "interrupted"),
        (lambda: signal.raise_signal(signal.SIGINT), "interrupted"),
    ],
)
@pytest.mark.usefixtures("handlers")
def test_what_goes_wrong_is_a_line(
    command: Callable[[], None], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command) == 1
    assert capsys.readouterr().err == f"error: {text}\n"


def test_output_that_nobody_takes_is_a_line() -> None:
    script = "from bnnedge.deployment.runtime.commands import run; import sys;"
    script += "sys.exit(run(lambda: print('done')))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (1, "error: [Errno 28] No space left on device\n")


@pytest.mark.usefixtures("handlers")
def test_second_signal_does_not_disturb_the_first() -> None:
    undone = []

    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            undone.append(True)

    assert run(command) == 1
    assert undone == [True]


@pytest.mark.usefixtures("handlers")
def test_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert run(lambda: signal.raise_signal(signal.SIGINT)) == 0


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_driver_that_waits(logits_package: Path, name: signal.Signals) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    script = "import runpy, sys; sys.argv[1:] = ['--port', sys.argv[1]];"
    script += "runpy.run_module('bnnedge_runtime.validate', run_name='__main__', alter_sys=True)"
    driver = subprocess.Popen(
        [sys.executable, "-c", script, os.ttyname(theirs)],
        cwd=logits_package,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )
    try:
        assert select.select([ours], [], [], 30)[0]  # it asks who the device is
        driver.send_signal(name)
        output, errors = driver.communicate(timeout=30)
    finally:
        driver.kill()
        os.close(ours)
        os.close(theirs)
    assert (driver.returncode, output, errors) == (1, "", "error: interrupted\n")


def without_weights(package: Path) -> None:
    path = package / "manifest.json"
    (package / "dataflow/weights.npz").write_bytes(b"")
    record = json.loads(path.read_text())
    record["files"]["dataflow/weights.npz"] = hashlib.sha256(b"").hexdigest()
    path.write_text(json.dumps(record))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "nested manifest": (
        lambda package: (package / "manifest.json").write_text("[" * 100_000),
        "manifest.json is not a readable manifest (nested too deeply)",
    ),
    "no manifest": (
        lambda package: (package / "manifest.json").unlink(),
        "manifest.json is not a readable manifest (No such file or directory)",
    ),
    "no weights": (without_weights, "it is no .npz file"),
    "no board": (lambda package: None, "cannot open /dev/null"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_validate_says_in_a_line_what_is_wrong(
    logits_package: Path, tmp_path: Path, kind: str
) -> None:
    package = Path(shutil.copytree(logits_package, tmp_path / "package"))
    damage, text = DAMAGE[kind]
    damage(package)
    done = standalone(package, "bnnedge_runtime.validate", "--port", "/dev/null")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: ") and text in done.stderr


def test_batches_are_read_as_numpy_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    random = np.random.default_rng(0)
    for dtype in ("?", "u1", "<i2", ">i4", "<f2", "<f4", ">f8"):
        for shape in ((3, 4), (0, 4), (5,), (), (2, 3, 4, 1)):
            array = (random.normal(size=shape) * 90).astype(dtype)
            for order in (array, np.asfortranarray(array)):
                np.save(path, order)
                found = read_batch(path)
                assert found.dtype == order.dtype and np.array_equal(found, order)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it is no .npy file"),
        (b"\x93NUMPY\1\0\xff\xff{", "header is damaged"),
        (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "header is damaged"),
        (b"\x93NUMPY\1\0" + b"\x60\0" + b"{'descr': '<f4'".ljust(96), "header is damaged"),
    ],
)
def test_batch_that_is_none_is_refused(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(InputError, match=text):
        read_batch(tmp_path / "x.npy")


def test_batch_that_is_no_file_or_of_no_numbers_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError, match="it is no file"):
            read_batch(name)
    np.save(tmp_path / "x.npy", np.array(["a"]))
    with pytest.raises(InputError, match="wanted real numbers, got dtype <U1"):
        read_batch(tmp_path / "x.npy")


def test_place_of_results_is_looked_at_before(tmp_path: Path) -> None:
    require_writable(tmp_path / "y.npy")
    for path in (tmp_path, tmp_path / "no" / "y.npy"):
        with pytest.raises(InputError, match="cannot write"):
            require_writable(path)
        with pytest.raises(InputError, match="cannot write"):
            write_results(path, np.zeros(3))
