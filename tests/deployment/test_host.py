"""The driver's arithmetic against the Dataflow's own."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow, OutputTable, ThresholdEncoding
from bnnedge.dataflow.encoding import pack
from bnnedge.deployment.runtime import Host, InputError, Manifest, PackageError
from tests.deployment.conftest import make_package
from tests.networks import random_inputs, random_mlp


def with_encoding(dataflow: Dataflow, shape: tuple[int, ...], seed: int) -> Dataflow:
    """The same network behind thermometer bits, some constant, some inverted."""
    random = np.random.default_rng(seed)
    features = dataflow.input.features
    threshold = random.integers(-3, 4, features).astype(np.float32)
    threshold[random.random(features) < 0.2] = -np.inf
    encoding = ThresholdEncoding(
        name="thermometer",
        input_shape=shape,
        output_shape=(features,),
        source=random.integers(0, np.prod(shape), features, dtype=np.int32),
        threshold=threshold,
        invert=random.random(features) < 0.3,
    )
    return dataclasses.replace(dataflow, input=encoding)


@pytest.mark.parametrize(("features", "shape"), [(19, (7,)), (32, (2, 3)), (40, (1, 4, 4))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
def test_encoding_is_the_dataflows(
    tmp_path: Path, features: int, shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    dataflow = with_encoding(random_mlp((features, 6, 3), seed=1), shape, seed=features)
    random = np.random.default_rng(features)
    batch = random.integers(-4, 5, (50, *shape)).astype(dtype)
    host = Host.load(make_package(tmp_path, dataflow, inputs=batch[:2].astype(np.float32)))
    sent = host.encode(batch)
    wanted = pack(dataflow.encode(batch), 4)
    assert sent.dtype == np.uint8
    assert sent.shape == (50, host.manifest.input_bytes)
    assert (sent[:, : wanted.shape[1]] == wanted).all()
    assert not sent[:, wanted.shape[1] :].any()


def test_negative_zero_is_not_below_zero(logits_package: Path) -> None:
    host = Host.load(logits_package)
    zeros = np.zeros((1, 19), np.float32)
    assert (host.encode(-zeros) == host.encode(zeros)).all()
    assert host.encode(zeros)[0, 0] == 0xFF


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (np.zeros((2, 18)), r"wanted shape (N, 19), got (2, 18)"),
        (np.zeros(19), r"wanted shape (N, 19), got (19,)"),
        (np.full((1, 19), np.nan), "NaN"),
        (np.full((1, 19), "x"), "wanted real numbers"),
        (np.zeros((1, 19), complex), "wanted real numbers"),
    ],
)
def test_wrong_inputs_are_refused(logits_package: Path, batch: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Host.load(logits_package).encode(batch)
    assert text in str(caught.value)


def test_no_images_are_no_bytes(logits_package: Path) -> None:
    host = Host.load(logits_package)
    assert host.encode(np.zeros((0, 19))).shape == (0, host.manifest.input_bytes)


def test_class_on_the_host_is_the_float_outputs_own(tmp_path: Path) -> None:
    dataflow = random_mlp((19, 12, 5), seed=5)
    random = np.random.default_rng(5)  # few values: ties; rows that fall: order is not kept
    table = random.integers(-2, 3, dataflow.output.values.shape).astype(np.float32)
    dataflow = dataclasses.replace(
        dataflow, output=OutputTable(values=table, classes=True, low=-12)
    )
    host = Host.load(make_package(tmp_path, dataflow))
    assert host.manifest.host_classes and not host.manifest.hardware_classes
    batch = random_inputs(dataflow, 200)
    accumulators = dataflow.accumulators(batch)
    assert (host.result(accumulators) == dataflow.run(batch)).all()
    assert (host.logits(accumulators) == dataflow.logits(batch)).all()


@pytest.mark.parametrize(("bits", "signed"), [(8, True), (16, True), (32, True), (8, False)])
def test_results_are_unpacked_with_their_sign(
    logits_package: Path, bits: int, signed: bool
) -> None:
    host = Host.load(logits_package)
    manifest = dataclasses.replace(
        host.manifest, output_element_bits=bits, output_signed=signed, output_elements=3
    )
    values = np.array([[-7, 0, 100], [127, -128, 1]]) if signed else np.array([[255, 0, 3]])
    packed = b"".join(
        int(value).to_bytes(bits // 8, "little", signed=signed) for value in values.flat
    )
    received = np.frombuffer(packed, np.uint8).reshape(len(values), -1)
    padded = np.pad(received, ((0, 0), (0, 5)), constant_values=0xAA)
    decoded = dataclasses.replace(host, manifest=manifest).decode(padded)
    assert decoded.dtype == np.int64
    assert (decoded == values).all()


def copied(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="manifest.json is not a readable manifest"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "bnnedge-package", "version": 1}']
)
def test_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(PackageError, match="manifest.json is not a readable manifest"):
        Manifest.load(tmp_path)


def test_newer_manifest_is_refused(logits_package: Path, tmp_path: Path) -> None:
    package = copied(logits_package, tmp_path)
    record = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**record, "version": 2}))
    with pytest.raises(PackageError, match="wanted bnnedge-package version 1, got .* version 2"):
        Host.load(package)


@pytest.mark.parametrize("damage", ["truncate", "alter", "remove"])
def test_damaged_weights_are_refused(logits_package: Path, tmp_path: Path, damage: str) -> None:
    path = copied(logits_package, tmp_path) / "dataflow" / "weights.npz"
    whole = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if damage == "truncate" else whole[:-1] + b"\1")
    with pytest.raises(PackageError, match="weights.npz (is truncated|cannot be read)"):
        Host.load(path.parent.parent)
