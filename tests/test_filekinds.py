"""A file that is whole, but not what its reader wants, is called what it is."""

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bnnedge.arrays import read_npy, read_npz
from bnnedge.config import load_json
from bnnedge.data.cifar import read_cifar10
from bnnedge.data.idx import read_idx
from bnnedge.data.svhn import read_svhn
from bnnedge.errors import BnnEdgeError
from bnnedge.filekinds import file_kind
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.models.checkpoint import load_checkpoint

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 6199346\n" % (
    b"ab" * 32
)


def _zip(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, b"0")
    return sink.getvalue()


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    sink = io.BytesIO()
    save(sink)
    return sink.getvalue()


KINDS = {
    "a Git LFS pointer": POINTER,
    "a web page": b"\n<!DOCTYPE html>\n<html>",
    "an HDF5 file (Keras, MATLAB)": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + bytes(100),
    "a model in onnxruntime's own format (.ort)": b"\x1c\0\0\0ORTM" + bytes(100),
    "a PyTorch checkpoint": _saved(lambda sink: torch.save({"w": torch.ones(2)}, sink)),
    "a TorchScript model": _zip("net/data.pkl", "net/code/__torch__.py"),
    "a Python pickle, as old PyTorch checkpoints are": pickle.dumps({"w": 1}),
    "a Keras model (.keras)": _zip("metadata.json", "config.json", "model.weights.h5"),
    "a zip archive": _zip("model.onnx"),
    "a NumPy archive (.npz)": _saved(lambda sink: np.savez(sink, x=np.ones(2))),
    "a NumPy array (.npy)": _saved(lambda sink: np.save(sink, np.ones(2))),
    "a gzip archive": gzip.compress(b"model"),
    "a safetensors file": (20).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}' + bytes(8),
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(50),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_file_of_another_kind_is_called_what_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(KINDS[kind])
    assert file_kind(path) == kind
    with pytest.raises(BnnEdgeError) as caught:
        lower_model(path, LoweringConfig())
    assert str(caught.value).startswith(f"{path} is {kind}, wanted an ONNX model")


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("a Git LFS pointer", "git lfs pull"),
        ("a web page", "download the file itself"),
        ("a PyTorch checkpoint", "torch.onnx.export"),
        ("a TorchScript model", "torch.onnx.export"),
        ("a TensorFlow Lite model", "tf2onnx"),
    ],
)
def test_what_to_do_with_it(tmp_path: Path, kind: str, remedy: str) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(KINDS[kind])
    with pytest.raises(BnnEdgeError, match=remedy):
        lower_model(path, LoweringConfig())


def _checkpoint(path: Path) -> None:
    load_checkpoint(path.parent)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("test.npz", read_npz),
        ("test.npy", read_npy),
        ("train-images-idx3-ubyte.gz", read_idx),
        ("recipe.json", load_json),
        ("data_batch_1.bin", lambda path: read_cifar10(path.parent, "train")),
        ("train_32x32.mat", lambda path: read_svhn(path.parent, "train")),
        ("checkpoint.json", _checkpoint),
    ],
)
def test_a_pointer_in_place_of_any_file(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    path.write_bytes(POINTER)
    with pytest.raises(BnnEdgeError, match="is a Git LFS pointer, wanted .* — .*git lfs pull"):
        read(path)


def test_what_cannot_be_read_is_of_no_kind(tmp_path: Path) -> None:
    assert file_kind(tmp_path) is None
    assert file_kind(tmp_path / "missing") is None
    assert file_kind(Path("/dev/zero")) is None
