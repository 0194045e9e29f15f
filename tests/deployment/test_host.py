"""The driver's arithmetic against the Dataflow's own."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow, ElementType, OutputTable, ThresholdEncoding
from bnnedge.dataflow.encoding import pack
from bnnedge.deployment.runtime import DeviceError, Host, InputError, Manifest, PackageError
from bnnedge.deployment.runtime.encoding import BitEncoding, IntegerEncoding
from bnnedge.design import Design
from tests.deployment.conftest import make_package
from tests.deployment.fake_device import elements_of
from tests.networks import random_inputs, random_mlp
from tests.networks.tables import (
    integer_mlp,
    integers,
    pooled_sums,
    real_inputs,
    sums_of_integers,
)


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


BYTES = np.arange(256, dtype=np.uint8)[:, None]
STEPS = [-np.inf, -2, -0.5, -0.0, 0, 0.25, 1, 7.5, 127, 254.5, 255, 255.5, 256, 1e30, np.inf]


@pytest.mark.parametrize("invert", [False, True])
def test_bytes_are_encoded_as_floats_are(invert: bool) -> None:
    threshold = np.array(STEPS, np.float32)
    encoding = BitEncoding(threshold, np.full(len(threshold), invert))
    batch = np.repeat(BYTES, len(threshold), axis=1)
    assert (encoding.encode(batch) == encoding.encode(batch.astype(np.float32))).all()
    assert (encoding.encode(batch) == ((np.array(STEPS) <= BYTES) ^ invert)).all()


@pytest.mark.parametrize(
    ("smallest", "element_bytes", "dtype"),
    [(0, 1, np.uint8), (-8, 1, np.int16), (-200, 2, np.int16), (300, 2, np.uint16)],
)
def test_bytes_are_encoded_to_integers_as_floats_are(
    smallest: int, element_bytes: int, dtype: type[np.generic]
) -> None:
    steps = np.array([STEPS, np.linspace(-4, 260, len(STEPS))], np.float32)
    encoding = IntegerEncoding(steps, smallest, element_bytes)
    batch = np.repeat(BYTES, 6, axis=1)
    encoded, wanted = encoding.encode(batch), encoding.encode(batch.astype(np.float32))
    assert (encoded.dtype, wanted.dtype) == (dtype, np.int64)
    assert (encoded == wanted).all() and len(np.unique(encoded)) > 5
    assert (encoding.pack(encoded) == encoding.pack(wanted)).all()


@pytest.mark.parametrize(("features", "shape"), [(19, (7,)), (32, (2, 3)), (40, (1, 4, 4))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.uint8])
def test_encoding_is_the_dataflows(
    tmp_path: Path, features: int, shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    dataflow = with_encoding(random_mlp((features, 6, 3), seed=1), shape, seed=features)
    random = np.random.default_rng(features)
    batch = random.integers(0 if dtype is np.uint8 else -4, 5, (50, *shape)).astype(dtype)
    host = Host.load(make_package(tmp_path, dataflow, inputs=batch[:2].astype(np.float32)))
    sent = host.pack(host.encode(batch))
    wanted = pack(dataflow.encode(batch), 4)
    assert sent.dtype == np.uint8
    assert sent.shape == (50, host.manifest.input_bytes)
    assert (sent[:, : wanted.shape[1]] == wanted).all()
    assert not sent[:, wanted.shape[1] :].any()


ELEMENTS = [
    pytest.param(integers(1), 1, 1, id="UINT1"),
    pytest.param(integers(4, signed=True), 2, 1, id="INT4"),
    pytest.param(integers(8), 1, 1, id="UINT8"),
    pytest.param(integers(8, signed=True), 2, 1, id="INT8"),
    pytest.param(integers(9), 2, 2, id="UINT9"),
    pytest.param(integers(16), 1, 2, id="UINT16"),
    pytest.param(integers(16, signed=True), 1, 2, id="INT16"),
]


@pytest.mark.parametrize(("element", "rows", "element_bytes"), ELEMENTS)
def test_integers_are_the_dataflows(
    tmp_path: Path, element: ElementType, rows: int, element_bytes: int
) -> None:
    dataflow = integer_mlp(element, rows=rows, seed=element.width_bits)
    batch = real_inputs(dataflow, 300, seed=1)
    package = make_package(tmp_path, dataflow, inputs=batch[:2])
    host = Host.load(package)
    sent, wanted = host.pack(host.encode(batch)), dataflow.encode(batch)
    assert wanted.min() == element.smallest and wanted.max() == element.largest
    assert sent.dtype == np.uint8
    assert sent.shape == (300, host.manifest.input_bytes)
    assert host.manifest.input_element_bits == 8 * element_bytes
    assert (sent == Design.load(package / "rtl").pack(wanted)).all()
    for image, encoded in zip(sent, wanted, strict=True):
        assert (elements_of(image.tobytes(), host) == encoded.reshape(-1)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, bool])
def test_pixels_of_any_dtype_are_the_dataflows(
    pixels_package: Path, dtype: type[np.generic]
) -> None:
    dataflow, host = Dataflow.load(pixels_package / "dataflow"), Host.load(pixels_package)
    batch = np.random.default_rng(0).integers(0, 256, (40, 2, 7, 6)).astype(dtype)
    wanted = batch.transpose(0, 2, 3, 1).reshape(40, -1).astype(np.uint8)
    assert (dataflow.encode(batch).reshape(40, -1) == wanted).all()
    assert (host.pack(host.encode(batch))[:, :84] == wanted).all()


def test_pixels_saturate_and_fractions_follow_the_quantiser(pixels_package: Path) -> None:
    host = Host.load(pixels_package)
    batch = np.resize([-1, 256, 1e30, -np.inf, np.inf, 41.999, 42], (1, 2, 7, 6))
    image = host.pack(host.encode(batch))[0, :84].reshape(7, 6, 2).transpose(2, 0, 1)
    assert image.reshape(-1)[:7].tolist() == [0, 255, 255, 0, 255, 41, 42]


def test_negative_zero_is_not_below_zero(logits_package: Path) -> None:
    host = Host.load(logits_package)
    zeros = np.zeros((1, 19), np.float32)
    assert (host.pack(host.encode(-zeros)) == host.pack(host.encode(zeros))).all()
    assert host.pack(host.encode(zeros))[0, 0] == 0xFF


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


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (np.zeros((2, 7, 6, 2)), "wanted shape (N, 2, 7, 6), got (2, 7, 6, 2)"),
        (np.zeros((2, 7, 6)), "wanted shape (N, 2, 7, 6), got (2, 7, 6)"),
        (np.full((1, 2, 7, 6), np.nan), "NaN"),
        (np.zeros((1, 2, 7, 6), "U1"), "wanted real numbers, got dtype <U1"),
    ],
)
def test_wrong_pixels_are_refused(pixels_package: Path, batch: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Host.load(pixels_package).encode(batch)
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", ["logits_package", "pixels_package"])
def test_no_images_are_no_bytes(kind: str, request: pytest.FixtureRequest) -> None:
    host = Host.load(request.getfixturevalue(kind))
    none = np.zeros((0, *host.manifest.input_shape))
    assert host.pack(host.encode(none)).shape == (0, host.manifest.input_bytes)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_classes_on_the_host_are_the_float_outputs_own(tmp_path: Path, k: int) -> None:
    dataflow = random_mlp((19, 12, 5), seed=5)
    random = np.random.default_rng(5)  # few values: ties; rows that fall: order is not kept
    table = random.integers(-2, 3, dataflow.output.values.shape).astype(np.float32)
    dataflow = dataclasses.replace(
        dataflow, output=OutputTable(values=table, classes=True, low=-12, k=k)
    )
    host = Host.load(make_package(tmp_path, dataflow))
    assert host.manifest.host_classes and not host.manifest.hardware_classes
    batch = random_inputs(dataflow, 200)
    accumulators = dataflow.accumulators(batch)
    assert (host.result(accumulators) == dataflow.run(batch)).all()
    assert (host.logits(accumulators) == dataflow.logits(batch)).all()


@pytest.mark.parametrize("k", [1, 2])
def test_classes_of_the_device_are_the_result(tmp_path: Path, k: int) -> None:
    dataflow = pooled_sums(hardware_classes=k, seed=9)
    batch = real_inputs(dataflow, 50, seed=1)
    package = make_package(tmp_path, dataflow, inputs=batch[:2], target_fps=1e5)
    host = Host.load(package)
    answer = dataflow.results_of(dataflow.encode(batch))
    assert answer.shape == (50, k)
    received = np.pad(answer.astype(np.uint8), ((0, 0), (0, host.manifest.output_bytes - k)))
    assert np.array_equal(host.result(host.decode(received)), dataflow.run(batch))

    record = json.loads((package / "manifest.json").read_text())
    record["output"]["elements"] = 4
    (package / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(PackageError, match=f"wanted 4 classes per image, got {k}"):
        Host.load(package)


TABLES = {
    "step 1": (sums_of_integers(seed=2), -144, 1),
    "step 1, classes": (sums_of_integers(classes=True, seed=3), -144, 1),
    "low is not -MW": (pooled_sums(), -72, 2),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_output_table_is_looked_up(tmp_path: Path, kind: str) -> None:
    dataflow, low, step = TABLES[kind]
    batch = real_inputs(dataflow, 200, seed=4)
    host = Host.load(make_package(tmp_path, dataflow, inputs=batch[:2], target_fps=1e5))
    assert (host.low, host.step) == (low, step)
    accumulators = dataflow.accumulators(batch)
    assert len(np.unique(accumulators)) > 5
    assert (host.result(accumulators) == dataflow.run(batch)).all()
    assert (host.logits(accumulators) == dataflow.logits(batch)).all()


@pytest.mark.parametrize("wrong", [-14, -11, 3, 14])
def test_accumulators_that_cannot_be_are_refused(logits_package: Path, wrong: int) -> None:
    host = Host.load(logits_package)
    accumulators = np.array([[-12, -10, 0, 10, 12], [0, 0, wrong, 0, 0]])
    assert host.logits(accumulators[:1]).shape == (1, 5)
    with pytest.raises(
        DeviceError, match=f"wanted an accumulator from -12 to 12 in steps of 2, got {wrong}"
    ):
        host.logits(accumulators)


@pytest.mark.parametrize(("bits", "signed"), [(8, True), (16, True), (32, True), (8, False)])
def test_results_are_unpacked_with_their_sign(
    logits_package: Path, bits: int, signed: bool
) -> None:
    host = Host.load(logits_package)
    manifest = dataclasses.replace(
        host.manifest,
        output_element_bits=bits,
        output_signed=signed,
        output_elements=3,
        output_ranges=((-128, 255),),
        output_step=1,
    )
    values = np.array([[-7, 0, 100], [127, -128, 1]]) if signed else np.array([[255, 0, 3]])
    packed = b"".join(
        int(value).to_bytes(bits // 8, "little", signed=signed) for value in values.flat
    )
    received = np.frombuffer(packed, np.uint8).reshape(len(values), -1)
    padded = np.pad(received, ((0, 0), (0, 5)))
    changed = dataclasses.replace(host, manifest=manifest)
    decoded = changed.decode(padded)
    assert decoded.dtype == np.int64
    assert (decoded == values).all()
    padded[-1, -1] = 1
    with pytest.raises(DeviceError, match=f"wanted zeros behind the {received.shape[1]} bytes"):
        changed.decode(padded)


def copied(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


def test_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="manifest.json is not a readable manifest"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "bnnedge-package", "version": 4}']
)
def test_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(PackageError, match="manifest.json is not a readable manifest"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("version", [3, 5])
def test_manifest_of_another_version_is_refused(
    logits_package: Path, tmp_path: Path, version: int
) -> None:
    package = copied(logits_package, tmp_path)
    record = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**record, "version": version}))
    text = f"wanted bnnedge-package version 4, got .* version {version}; make the package again"
    with pytest.raises(PackageError, match=text):
        Host.load(package)


@pytest.mark.parametrize(
    ("kind", "part", "change", "text"),
    [
        ("logits_package", "input", {"elements": 18}, "not one of 18 elements of 1 bits"),
        ("logits_package", "input", {"element_bits": 8}, "19 elements of 8 bits"),
        ("logits_package", "input", {"bytes": 2}, "19 elements of 1 bits do not fit into 2"),
        ("logits_package", "output", {"elements": 4}, "an output table of 4 rows, got 5"),
        ("pixels_package", "input", {"elements": 83}, "not one of 83 elements of 8 bits"),
        ("pixels_package", "input", {"element_bits": 1}, "84 elements of 1 bits"),
        ("pixels_package", "input", {"element_bits": 12}, r"wanted one of \(1, 8, 16\), got 12"),
        ("pixels_package", "input", {"element_bits": 16}, "do not fit into 84 bytes"),
        ("pixels_package", "input", {"bytes": 80}, "84 elements of 8 bits do not fit into 80"),
    ],
)
def test_manifest_of_another_network_is_refused(
    kind: str,
    part: str,
    change: dict[str, int],
    text: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    package = copied(request.getfixturevalue(kind), tmp_path)
    record = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**record, part: record[part] | change}))
    with pytest.raises(PackageError, match=text):
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
