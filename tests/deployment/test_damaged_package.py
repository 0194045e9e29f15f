"""Packages of any origin: what is wrong with them is one line, before anything is loaded."""

import copy
import hashlib
import io
import json
import os
import shutil
import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.deployment import deploy
from bnnedge.deployment.runtime import Host, Manifest, PackageError, load
from bnnedge.deployment.runtime.files import is_inside
from bnnedge.errors import DeploymentError

Json = dict[str, Any]
KINDS = ("pixels_package", "pynq_package")
WEIGHTS = "dataflow/weights.npz"
GRAPH = "dataflow/dataflow.json"


@pytest.fixture
def package(logits_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(logits_package, tmp_path / "package"))


def changed(package: Path, change: Callable[[Json], None]) -> Path:
    path = package / "manifest.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return package


def rewritten(package: Path, name: str, data: bytes) -> Path:
    """A file with other contents, and the manifest that vouches for it."""
    (package / name).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return changed(package, lambda record: record["files"].update({name: digest}))


def refusal(package: Path) -> str:
    with pytest.raises(PackageError) as caught:
        Host.load(package)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    assert str(package) in text
    return text


def places(record: Json) -> Iterator[tuple[Json, str]]:
    """Every field, however deep; of the files only the first."""
    for key, value in list(record.items()):
        yield record, key
        if isinstance(value, dict):
            yield from list(places(value))[: 1 if key == "files" else None]


ODD = (
    json.loads("1e999"),
    float("nan"),
    -1,
    1 << 40,
    1 << 70,
    2.5,
    "x\ny",
    "../x",
    True,
    None,
    {},
    [[[]]],
)
UNREAD = {"bnnedge", "encoding"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_manifest_is_read_with_care(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    whole = json.loads((request.getfixturevalue(kind) / "manifest.json").read_text())
    path, accepted = tmp_path / "manifest.json", set()
    for number in range(len(list(places(whole)))):
        for odd in (*ODD, ...):
            record = copy.deepcopy(whole)
            owner, key = list(places(record))[number]
            if odd is ...:
                del owner[key]
            else:
                owner[key] = odd
            path.write_text(json.dumps(record))
            try:
                Manifest.load(tmp_path)
            except PackageError as error:
                assert "\n" not in str(error) and len(str(error)) < 500
            else:
                accepted.add((key, str(odd)[:20]))
    numbers = {"quiet_ms", "latency_cycles", "protocol_version", "ranges"}
    lenient = {(key, odd) for key, odd in accepted if key not in UNREAD}
    texts = {"network", "board", "loader_board"}
    for key, odd in lenient:
        if key in texts:
            assert odd == "../x"
        elif key in {"hardware_classes", "host_classes", "signed"}:
            assert odd == "True"
        elif key in {"files", "README.txt"}:
            assert odd in {"{}", "Ellipsis"}
        else:
            assert key in numbers, (key, odd)


TEXTS = {
    "nothing": b"",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"format":' * 50_000,
    "not UTF-8": b'{"format": "\xff"}',
    "an integer of a million digits": b'{"format": ' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"format": NaN}',
    "a list": b"[]",
    "too large": b" " * (1 << 23) + b"{}",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_manifest_that_is_no_json_of_ours(kind: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(TEXTS[kind])
    assert "manifest.json is not a readable manifest" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda record: record["output"].update(ranges=[[-12, 12]] * 4), "wanted 1 or 5 pairs"),
        (lambda record: record["output"].update(ranges=[[12, -12]]), "an integer from 12 to 127"),
        (lambda record: record["output"].update(ranges=[[-14, 12]]), "no place in the output"),
        (lambda record: record["output"].update(ranges=[[-11, 12]]), "no place in the output"),
        (lambda record: record["output"].update(ranges=[[-129, 12]]), "from -128 to 127"),
        (lambda record: record["output"].update(step=1), "1 apart have no place"),
        (lambda record: record["output"].update(hardware_classes=True), "classes of the hardware"),
        (lambda record: record["device"].update(baud=1_000_000), "is not about 25000000 Hz / 8"),
        (lambda record: record["input"].update(shape=[1 << 20, 1 << 20]), "are more than"),
        (lambda record: record["input"].update(shape=[18]), "source is outside inputs of .18,."),
        (lambda record: record.update(bitstream="/etc/passwd"), "is not inside the package"),
        (lambda record: record.update(loader_board="--flash"), "'--flash' is no board"),
    ],
)
def test_manifest_that_contradicts_itself(
    package: Path, change: Callable[[Json], None], text: str
) -> None:
    with pytest.raises(PackageError, match=text):
        Host.load(changed(package, change))


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../../x", "/x", "", ".", "a//b", "./a", "a/", "C:\\x", "C:x", "a\nb", "a\0"],
)
def test_names_that_lead_out_are_known(name: str) -> None:
    assert not is_inside(name)
    assert is_inside("a/b.c") and is_inside("ä/..b") and is_inside("a b")


def outside(package: Path) -> None:
    shutil.copy(package / WEIGHTS, package.parent / "outside.npz")
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).symlink_to(package.parent / "outside.npz")


def inside(package: Path) -> None:
    (package / WEIGHTS).rename(package / "elsewhere.npz")
    (package / WEIGHTS).symlink_to(package / "elsewhere.npz")


def folder_outside(package: Path) -> None:
    (package / "dataflow").rename(package.parent / "outside")
    (package / "dataflow").symlink_to(package.parent / "outside")


def pipe(package: Path) -> None:
    (package / WEIGHTS).unlink()
    os.mkfifo(package / WEIGHTS)


def device(package: Path) -> None:
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).symlink_to("/dev/zero")


def loop(package: Path) -> None:
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).symlink_to(package / WEIGHTS)


def folder(package: Path) -> None:
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).mkdir()


def sparse(package: Path) -> None:
    os.truncate(package / WEIGHTS, 1 << 40)


def unlisted(package: Path) -> None:
    changed(package, lambda record: record["files"].pop(WEIGHTS))


@pytest.mark.parametrize(
    ("replace", "text"),
    [
        (outside, "a link that leads out of the package"),
        (folder_outside, "a link that leads out of the package"),
        (pipe, "it is no file"),
        (device, "a link that leads out of the package"),
        (loop, "cannot be read"),
        (folder, "Is a directory"),
        (sparse, "1099511627776 bytes are more than"),
        (unlisted, "is not listed in manifest.json"),
    ],
)
def test_file_that_is_another_thing(
    package: Path, replace: Callable[[Path], None], text: str
) -> None:
    replace(package)
    assert text in refusal(package)
    with pytest.raises(DeploymentError, match=text):
        deploy(package)


def test_links_within_a_package_are_followed(package: Path) -> None:
    inside(package)
    assert Host.load(str(package)).manifest.network == "random"


def npy(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + data


def npz(arrays: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return sink.getvalue()


def entries(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package / WEIGHTS) as archive:
        return {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}


def saved(values: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, values)
    return sink.getvalue()


HUGE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 100000000), }\n"
ARRAYS: dict[str, tuple[str, bytes, str]] = {
    "huge": ("output.values", npy(HUGE, bytes(10_000)), "takes more than"),
    "truncated": ("output.values", npy(HUGE.replace(b"000000", b""), bytes(99)), "truncated"),
    "overflowing": (
        "output.values",
        npy(HUGE.replace(b"(5,", b"(" + b"99999999999999, " * 9)),
        "takes more than",
    ),
    "objects": ("output.values", npy(HUGE.replace(b"<f4", b"|O8")), "wanted real numbers"),
    "Python": ("output.values", npy(b"{'descr': __import__('os').getcwd()}"), "header is damaged"),
    "no array": ("output.values", b"", "it is no .npy file"),
    "another dtype": ("output.values", saved(np.zeros((5, 13))), "wanted float32 with 2 axes"),
    "other axes": ("output.values", saved(np.zeros(5, np.float32)), "wanted float32 with 2 axes"),
    "other rows": ("output.values", saved(np.zeros((4, 13), np.float32)), "5 rows, got 4"),
    "fewer columns": ("output.values", saved(np.zeros((5, 9), np.float32)), "no place in the out"),
    "NaN": ("output.values", saved(np.full((5, 13), np.nan, np.float32)), "not of numbers"),
    "NaN threshold": ("input.threshold", saved(np.full(19, np.nan, np.float32)), "is NaN"),
    "source below": ("input.source", saved(np.full(19, -1, np.int32)), "source is outside"),
    "source above": ("input.source", saved(np.full(19, 19, np.int32)), "source is outside"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_are_others(package: Path, kind: str) -> None:
    name, data, text = ARRAYS[kind]
    assert name in entries(package)
    assert text in refusal(rewritten(package, WEIGHTS, npz({**entries(package), name: data})))


def test_missing_array_is_named(package: Path) -> None:
    arrays = entries(package)
    del arrays["output.values"]
    assert "array output.values is missing" in refusal(rewritten(package, WEIGHTS, npz(arrays)))


@pytest.mark.parametrize("kind", KINDS)
def test_host_files_changed_at_random_are_read_or_refused(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    original = request.getfixturevalue(kind)
    (tmp_path / "dataflow").mkdir()
    for name in ("manifest.json", GRAPH, WEIGHTS):
        shutil.copy(original / name, tmp_path / name)
    random, refused = np.random.default_rng(11), 0
    for number in range(80):
        name = (GRAPH, WEIGHTS)[number % 2]
        data = bytearray((original / name).read_bytes())
        match random.integers(0, 4):
            case 0:
                del data[random.integers(0, len(data)) :]
            case 1:
                start = random.integers(0, len(data))
                del data[start : start + random.integers(1, 50)]
            case 2:
                start = random.integers(0, len(data))
                data[start:start] = random.integers(0, 256, 8, dtype=np.uint8).tobytes()
            case _:
                for place in random.integers(0, len(data), random.integers(1, 9)):
                    data[place] ^= 1 << random.integers(0, 8)
        rewritten(tmp_path, name, bytes(data))
        try:
            Host.load(tmp_path)
        except PackageError as error:
            assert "\n" not in str(error) and len(str(error)) < 700
            refused += 1
        rewritten(tmp_path, name, (original / name).read_bytes())
    assert refused > 25


def fake_pynq(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, bytes, bytes]]:
    """A `pynq` that says what it is asked to load, and loads nothing."""
    seen = []

    def overlay(name: str) -> None:
        path = Path(name)
        assert path.parent.stat().st_mode & 0o077 == 0 or "given" in name
        seen.append((path, path.read_bytes(), path.with_suffix(".hwh").read_bytes()))
        raise OSError("no board here")

    module = types.ModuleType("pynq")
    vars(module).update(Overlay=overlay, allocate=None, Clocks=None)
    monkeypatch.setitem(sys.modules, "pynq", module)
    return seen


@pytest.fixture
def zynq(pynq_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pynq_package, tmp_path / "package"))


def test_packaged_bitstream_is_loaded_from_a_private_copy(
    zynq: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = fake_pynq(monkeypatch)
    with pytest.raises(Exception, match="cannot be used .OSError: no board here"):
        load(str(zynq))
    ((path, bits, handoff),) = seen
    assert path.name == "random.bit" and zynq not in path.parents and not path.exists()
    assert bits == (zynq / "bitfile/random.bit").read_bytes()
    assert handoff == (zynq / "bitfile/random.hwh").read_bytes()


@pytest.mark.parametrize("suffix", [".bit", ".hwh"])
@pytest.mark.parametrize("kind", ["altered", "unlisted", "link"])
def test_other_bitstream_is_not_loaded(
    zynq: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, kind: str
) -> None:
    seen = fake_pynq(monkeypatch)
    name = f"bitfile/random{suffix}"
    if kind == "altered":
        (zynq / name).write_bytes((zynq / name).read_bytes() + b" ")
    elif kind == "unlisted":
        changed(zynq, lambda record: record["files"].pop(name))
    else:
        (zynq / name).rename(zynq.parent / "outside")
        (zynq / name).symlink_to(zynq.parent / "outside")
    text = {"altered": "was altered", "unlisted": "is not listed", "link": "leads out"}[kind]
    with pytest.raises(PackageError, match=f"random{suffix}.*{text}"):
        load(zynq)
    assert not seen


def test_bitstream_that_the_user_names_is_loaded_as_it_is(
    zynq: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = fake_pynq(monkeypatch)
    for suffix in (".bit", ".hwh"):
        (tmp_path / f"given{suffix}").write_bytes(b"mine")
    with pytest.raises(Exception, match="no board here"):
        load(zynq, bitfile=str(tmp_path / "given.bit"))
    assert seen == [((tmp_path / "given.bit").resolve(), b"mine", b"mine")]


def test_only_listed_files_are_simulated(package: Path) -> None:
    (package / "device" / "evil.sv").write_text('module evil; initial $system("false"); endmodule')
    (package / "rtl" / "sv" / "evil.sv").write_text("not even SystemVerilog")
    assert deploy(str(package), images=2).images == 2
