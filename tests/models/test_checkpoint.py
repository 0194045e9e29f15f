"""Checkpoints: what is written comes back, and nothing but weights is ever loaded."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding, QuantileThermometer
from bnnedge.errors import CheckpointError, ConfigError
from bnnedge.models.checkpoint import load_checkpoint, load_test_set, save_checkpoint
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.record import network_record
from tests.models.networks import random_mlp, random_network

_IMAGES = np.arange(3 * 16, dtype=np.uint8).reshape(3, 16)
_LABELS = np.array([4, 0, 9], np.int64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, random_mlp(), {"input_range": [0, 16]}, _IMAGES, _LABELS)
    return tmp_path


def test_a_saved_network_comes_back_identical(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    x = torch.rand(20, 16) * 16
    with torch.no_grad():
        assert torch.equal(checkpoint.model(x), random_mlp()(x))
    assert checkpoint.input_range == (0, 16) and not checkpoint.model.training
    images, labels = load_test_set(folder, checkpoint)
    assert images.dtype == np.float32
    assert np.array_equal(images, _IMAGES) and np.array_equal(labels, _LABELS)


def test_selected_bits_come_back_and_records_without_them_see_all(tmp_path: Path) -> None:
    encoding = QuantileThermometer(levels=(4.0, 9.0), selected=(2, 3, 8, 11, 17, 20, 31))
    config = NetworkConfig(topology=Topology.MLP, hidden=(9,))
    model = random_network(config, input_shape=(16,), encoding=encoding)
    save_checkpoint(tmp_path, model, {"input_range": [0, 16]}, _IMAGES, _LABELS)
    loaded = load_checkpoint(tmp_path).model
    x = torch.rand(20, 16) * 16
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    assert loaded.input_encoding == encoding
    assert "selected" not in network_record(random_mlp())["encoding"]  # as before there were any
    path = tmp_path / "checkpoint.json"
    record = json.loads(path.read_text())
    assert record["encoding"] == {"levels": [4.0, 9.0], "selected": [2, 3, 8, 11, 17, 20, 31]}
    for selected, message in (
        ([2, 3, 8, 11, 17, 20, 32], "wanted at most the 32 bits of an input, got 33"),
        ([3, 2, 8, 11, 17, 20, 31], "selected wants increasing indices of bits"),
        ([2.0], r"selected\.\[0\]: wanted int, got 2\.0"),
    ):
        record["encoding"]["selected"] = selected
        path.write_text(json.dumps(record))
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(tmp_path)


@pytest.mark.parametrize("dataset", [{"name": "fashion-mnist"}, {}, {"name": 3}, "mnist", None])
def test_a_network_is_called_after_what_it_was_trained_on(dataset: object, tmp_path: Path) -> None:
    record = {"input_range": [0, 16], "dataset": dataset}
    save_checkpoint(tmp_path, random_mlp(), record, _IMAGES, _LABELS)
    known = dataset == {"name": "fashion-mnist"}
    assert load_checkpoint(tmp_path).name == ("mlp_fashion_mnist" if known else None)


def test_a_residual_network_is_what_it_was_when_records_knew_no_residual_bits(
    tmp_path: Path,
) -> None:
    images = np.zeros((3, 3, 8, 8), np.uint8)
    for bits in (0, None):
        config = NetworkConfig(topology=Topology.RESNET20, residual_bits=bits)
        model = random_network(config, input_shape=(3, 8, 8), encoding=IntegerEncoding())
        save_checkpoint(tmp_path, model, {"input_range": [0, 255]}, images, _LABELS)
        if bits == 0:
            record = json.loads((tmp_path / "checkpoint.json").read_text())
            for key in ("residual_bits", "stages", "stem"):
                del record["network"][key]
            (tmp_path / "checkpoint.json").write_text(json.dumps(record))
        again = load_checkpoint(tmp_path).model
        assert again.config.residual == config.residual
        x = torch.randint(0, 256, (9, 3, 8, 8)).float()
        with torch.no_grad():
            assert torch.equal(again(x), model(x))


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_code_in_a_checkpoint_does_not_run(folder: Path, save) -> None:  # type: ignore[no-untyped-def]
    marker = folder / "executed"
    save({"weight": _Malicious(marker)}, folder / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="holds more than weights") as caught:
        load_checkpoint(folder)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_truncated_weights_are_one_line(folder: Path, keep: int) -> None:
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"checkpoint.pt is damaged") as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_wrong_tensors_are_named(folder: Path) -> None:
    path = folder / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    weight = state["hidden.0.linear.weight"]
    for change, message in (
        ({"hidden.0.linear.weight": weight[:-1]}, r"weight wanted \(20, 48\).*got \(19, 48\)"),
        ({"hidden.0.linear.weight": weight.double()}, "got .* torch.float64"),
        (
            {"hidden.0.linear.weight": weight * float("nan")},
            r"hidden.0.linear.weight \(weight of the BinaryLinear hidden.0.linear\) holds NaN",
        ),
        (
            {"hidden.1.norm.running_var": torch.tensor([1.0, 1.0, -0.5] + [2.0] * 9)},
            r"running_var of the BatchNorm hidden.1.norm\) holds a negative variance: 1 of 12"
            r" numbers, the first -0.5 at \[2\] — its training diverged",
        ),
        ({"stray": weight}, "tensor stray is not part of the network"),
    ):
        torch.save({**state, **change}, path)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(folder)
    del state["output.norm.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"output.norm.weight is missing"):
        load_checkpoint(folder)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="more than weights .*EMPTY_LIST"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "wanted checkpoint format 2, got 1"),
        ({"network": {"topology": "mlp", "hidden": [10**9]}}, "wants widths in"),
        ({"network": {"topology": "mlp", "hidden": "many"}}, "checkpoint.json: hidden"),
        ({"network": {"topology": "alexnet"}}, "topology: wanted one of tfc, sfc, lfc"),
        (
            {"network": {"topology": "lenet5"}},
            r"images .* got inputs of shape \(16,\)",
        ),
        ({"encoding": {"levels": [3.0, 3.0]}}, "increasing thresholds"),
        ({"encoding": {"levels": []}}, "increasing thresholds"),
        ({"encoding": {"bits": 64}}, "wanted 1…16 bits, got 64"),
        ({"encoding": "thermometer"}, "no usable network shape"),
        ({"input_shape": [0]}, "inputs and outputs, got"),
        ({"outputs": 10**9}, "inputs and outputs, got"),
        ({"input_range": [1]}, "no usable input_range"),
    ],
)
def test_wrong_records_are_refused(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_missing_and_unreadable_files(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    (folder / "test.npz").write_bytes(b"PK\3\4 cut")
    with pytest.raises(CheckpointError, match=r"test.npz is damaged"):
        load_test_set(folder, checkpoint)
    np.savez(folder / "test.npz", images=_IMAGES[:, :-1], labels=_LABELS)
    with pytest.raises(CheckpointError, match=r"wanted uint8 images \(N, 16\)"):
        load_test_set(folder, checkpoint)
    (folder / "checkpoint.pt").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint.pt is missing"):
        load_checkpoint(folder)
    (folder / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match="not readable JSON"):
        load_checkpoint(folder)
    (folder / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match="checkpoint.json is missing .*bnnedge train"):
        load_checkpoint(folder)


def _rewritten(path: Path, change: Callable[[str, bytes], bytes], kind: int = 0) -> None:
    """Write an archive again with changed members, as `torch.save` lays it out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, change(name, content))


_WEIGHT = b"K\x14K0\x86"  # the shape (20, 48) of the first layer


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (_WEIGHT, b"K\x15K0\x86", "reaches beyond its numbers"),
        (_WEIGHT, b"J\0\0\0\x7fK0\x86", "reaches beyond its numbers"),
        (_WEIGHT, b"J\xff\xff\xff\xffK0\x86", "reaches beyond its numbers"),
        (b"_rebuild_tensor_v2", b"_rebuild_parameter", "asks for torch._utils _rebuild_parameter"),
        (b"torch\nFloatStorage", b"builtins\nbytearray", "unknown numbers"),
        (b"M\xc0\x03t", b"J\0\0\0\x7ft", "has no numbers, or too many"),
        (b"\x80\x02", b"\x80\x02K\1", "more than weights"),
        (b"\x80\x02", b"\x80\x02u", "do not fit together"),
        (b"X", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", "more than weights"),
    ],
)
def test_only_the_steps_of_a_state_dictionary_are_followed(
    folder: Path, before: bytes, after: bytes, message: str
) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(before, after, 1) if name.endswith("data.pkl") else content

    _rewritten(folder / "checkpoint.pt", lambda _, content: content)
    load_checkpoint(folder)
    _rewritten(folder / "checkpoint.pt", change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_packed_and_oversized_archives_are_refused(folder: Path) -> None:
    path = folder / "checkpoint.pt"
    whole = path.read_bytes()
    _rewritten(path, lambda _, content: content, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="does not pack"):
        load_checkpoint(folder)
    path.write_bytes(whole)
    _rewritten(path, lambda name, content: content + bytes(name.endswith("/0") << 22))
    with pytest.raises(CheckpointError, match="4 MiB are more than the network takes"):
        load_checkpoint(folder)


def test_a_flipped_bit_of_a_weight_is_refused(folder: Path) -> None:
    path = folder / "checkpoint.pt"
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        numbers = archive.read(largest)
    content = bytearray(path.read_bytes())
    content[content.index(numbers) + len(numbers) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="Bad CRC-32"):
        load_checkpoint(folder)


def test_a_network_beyond_memory_is_refused_before_it_is_made() -> None:
    config = NetworkConfig(topology=Topology.MLP, hidden=(65536, 65536))
    with pytest.raises(ConfigError, match="parameters, wanted at most"):
        random_network(config, input_shape=(16,), encoding=IntegerEncoding())
