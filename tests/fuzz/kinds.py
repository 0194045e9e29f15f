"""Every kind of file that bnnedge reads: a whole one, how it is damaged, and what reads it."""

import dataclasses
import functools
import gzip
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from scipy.io import savemat, wavfile

from bnnedge import artifacts
from bnnedge.arrays import read_npy, read_npz
from bnnedge.artifacts import RECORD, check_input
from bnnedge.boards import BOARDS, find_board
from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import load_dataset
from bnnedge.data.encodings import QuantileThermometer
from bnnedge.dataflow import Dataflow
from bnnedge.dataflow.graph import GRAPH_FILE, WEIGHTS_FILE
from bnnedge.deployment.deploy import open_package
from bnnedge.deployment.runtime.files import read_batch
from bnnedge.deployment.runtime.host import Host
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.authentic import own_copy
from bnnedge.hardware.fifos import read_depths
from bnnedge.hardware.folding import read_folding
from bnnedge.links import load_device
from bnnedge.lowering import LoweringConfig, lower
from bnnedge.models.checkpoint import load_checkpoint, load_test_set, save_checkpoint
from bnnedge.models.config import LayerConfig, NetworkConfig, Topology
from bnnedge.models.pretrained.cards import ModelCard
from bnnedge.models.pretrained.load import load_card
from bnnedge.models.pretrained.packing import pack
from bnnedge.models.record import network_record
from bnnedge.models.zoo import build_network
from bnnedge.recipe import Recipe
from tests.data.test_own import own_arrays
from tests.deployment.conftest import make_package, make_pynq_package, make_synthesis
from tests.fuzz import mutations as how
from tests.fuzz.kind import JSON, NPY, NPZ, TOML, Kind, or_bytes
from tests.fuzz.mutations import BYTES
from tests.lowering.graphs import Graph, bipolar
from tests.networks import random_conv, random_mlp

RECIPE = """\
name = "small"
[network]
topology = "mlp"
hidden = [16, 8]
[data]
dataset = "digits"
encoding = "threshold"
threshold = 8.0
[training]
epochs = 2
batch_size = 64
learning_rate = 0.03
seed = 1
[hardware]
board = "ulx3s-25f"
clock_mhz = 50
target_fps = 50000
[simulation]
images = 20
"""
CHECK_IMAGES = 16


def _recipe(folder: Path) -> None:
    (folder / "small.toml").write_text(RECIPE)


def _dataflow(folder: Path) -> None:
    random_conv().save(folder)


def _classes(folder: Path) -> None:
    random_mlp((19, 12, 5), seed=4, classes=True).save(folder)


def _mend_sha256(folder: Path) -> None:
    """As an attacker does; a file that cannot be mended stays as it is."""
    try:
        record = json.loads((folder / GRAPH_FILE).read_bytes())
        record["weights_sha256"] = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
        (folder / GRAPH_FILE).write_text(json.dumps(record))
    except (ValueError, TypeError, RecursionError):
        pass


def _use_dataflow(folder: Path) -> None:
    _mend_sha256(folder)
    dataflow = Dataflow.load(folder)
    dataflow.run(np.zeros((2, *dataflow.input.input_shape), np.float32))
    emit(folder, RtlConfig(target_fps=1e4), folder / "out")


def _rtl(dataflow: Dataflow, folder: Path) -> None:
    (folder / "given").mkdir()
    dataflow.save(folder / "given")
    emit(folder / "given", RtlConfig(target_fps=1e4), folder / "rtl")


def _use_rtl(folder: Path) -> None:
    (folder / "rtl" / RECORD).unlink(missing_ok=True)
    with own_copy(folder / "rtl"):
        pass


def _folding(folder: Path) -> None:
    _rtl(random_mlp((19, 12, 5), seed=4, classes=True), folder)


def _use_folding(folder: Path) -> None:
    read_folding(folder / "rtl" / "folding.json", Dataflow.load(folder / "given"))
    emit(folder / "given", RtlConfig(folding=folder / "rtl" / "folding.json"), folder / "again")


def _fifos(folder: Path) -> None:
    _folding(folder)
    depths = {fifo.name: 4 for fifo in Design.load(folder / "rtl").fifos}
    (folder / "fifos.json").write_text(json.dumps(depths))


def _use_fifos(folder: Path) -> None:
    read_depths(folder / "fifos.json")
    config = RtlConfig(folding=folder / "rtl/folding.json", fifo_depths=folder / "fifos.json")
    emit(folder / "given", config, folder / "again")


def _model(folder: Path) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 2, 6, 6))
    graph.add("Sign")
    graph.add("Conv", bipolar(rng, 4, 2, 3, 3), strides=[1, 1], pads=[0, 0, 0, 0])
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    numbers = [rng.uniform(0.5, 2, 4).astype(np.float32) for _ in range(4)]
    graph.add("BatchNormalization", *numbers, epsilon=1e-5)
    graph.add("Sign")
    graph.add("Reshape", np.array([1, -1]))
    graph.add("MatMul", bipolar(rng, 16, 3))
    graph.add("Mul", np.float32(0.5))
    onnx.save(graph.model(), folder / "model.onnx")


def _row_model(folder: Path) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 2, 10))
    graph.add("Sign")
    graph.add("Pad", np.array([0, 0, 1, 0, 0, 1]), np.float32(-1))
    graph.add("Conv", bipolar(rng, 4, 2, 3), strides=[1], dilations=[1])
    graph.add("MaxPool", kernel_shape=[2], strides=[2])
    graph.add("Sub", rng.normal(0, 1, (4, 1)))
    graph.add("Sign")
    graph.add("Conv", bipolar(rng, 3, 4, 2))
    graph.add("AveragePool", kernel_shape=[4])
    graph.add("Flatten")
    onnx.save(graph.model(), folder / "model.onnx")


def _flat_model(folder: Path) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 8))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("MatMul", bipolar(rng, 8, 6))
    graph.add("Add", rng.normal(0, 1, 6).astype(np.float32))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("MatMul", bipolar(rng, 6, 3))
    path = graph.save(folder / "model.onnx")
    lowered = lower(path, LoweringConfig(check_images=CHECK_IMAGES), folder / "lowered")
    dataflow = Dataflow.load(lowered.folder)
    x = rng.standard_normal((9, 8)).astype(np.float32)
    np.savez_compressed(
        folder / "reference.npz",
        inputs=x,
        labels=np.arange(9) % 3,
        accumulators=dataflow.accumulators(x),
        logits=dataflow.logits(x),
    )


def _external_model(folder: Path) -> None:
    _model(folder)
    options = {"save_as_external_data": True, "location": "model.data", "size_threshold": 0}
    onnx.save(onnx.load(folder / "model.onnx"), folder / "model.onnx", **options)


def _use_model(folder: Path) -> None:
    lower(folder / "model.onnx", LoweringConfig(check_images=CHECK_IMAGES), folder / "out")


def _checkpoint(folder: Path) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(
        topology=Topology.CONV, layers=(LayerConfig(conv=4, kernel=3), LayerConfig(dense=8))
    )
    encoding = QuantileThermometer(levels=(1.0, 2.0))
    model = build_network(config, input_shape=(1, 6, 6), encoding=encoding, classes=3)
    model.eval()
    images = np.random.default_rng(0).integers(0, 9, (5, 1, 6, 6), np.uint8)
    record = {"input_range": [0, 8], "classes": ["a", "b", "c"]}
    save_checkpoint(folder, model, record, images, np.arange(5) % 3)


def _use_checkpoint(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    images, _ = load_test_set(folder, checkpoint)
    with torch.no_grad():
        checkpoint.model(torch.from_numpy(images[:2]))


def _card(folder: Path) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(topology=Topology.MLP, hidden=(12,))
    encoding = QuantileThermometer(levels=(1.0, 2.0))
    model = build_network(config, input_shape=(7,), encoding=encoding, classes=3)
    np.savez_compressed(folder / "net.npz", **pack(model.eval()))
    sha256 = hashlib.sha256((folder / "net.npz").read_bytes()).hexdigest()
    ModelCard(
        name="net",
        model=network_record(model),
        input_range=(0, 8),
        classes=("a", "b", "c"),
        recipe=RECIPE,
        seed=0,
        dataset="digits",
        dataset_sha256="0" * 64,
        validation_accuracy=0.5,
        test_correct=1,
        test_images=2,
        commit="0",
        weights_sha256=sha256,
    ).save(folder)


def _use_card(folder: Path) -> None:
    card = ModelCard.load("net", folder)
    if (folder / "net.npz").is_file():
        sha256 = hashlib.sha256((folder / "net.npz").read_bytes()).hexdigest()
        card = dataclasses.replace(card, weights_sha256=sha256)
    load_card(card, folder)


def _use_artifact(folder: Path) -> None:
    artifacts.load(folder / "rtl")
    check_input(folder / "rtl")


def _device(folder: Path) -> None:
    make_synthesis(folder / "synth", 7)


def _package(folder: Path) -> None:
    make_package(folder / "made", random_mlp((19, 12, 5), seed=3))
    (folder / "made/package").rename(folder / "package")


def _pynq_package(folder: Path) -> None:
    make_pynq_package(folder / "made", random_mlp((19, 12, 5), seed=3))
    (folder / "made/package").rename(folder / "package")


def _use_package(folder: Path) -> None:
    package = folder / "package"
    (package / RECORD).unlink(missing_ok=True)
    host = Host.load(package)
    host.encode(np.zeros((2, *host.manifest.input_shape), np.float32))
    open_package(package)


def _idx_file(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def _idx(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = _idx_file(rng.integers(0, 256, (3, 28, 28)))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=0))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(_idx_file(np.arange(3)))


def _cifar(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        pixels, labels = rng.integers(0, 256, (2, 3072), np.uint8), [1, 2]
        if name.endswith("_2"):
            content = pickle.dumps({b"labels": labels, b"data": pixels}, 2)
            (folder / name).write_bytes(content)
        else:
            records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], 1)
            (folder / f"{name}.bin").write_bytes(records.tobytes())


def _svhn(folder: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 2), np.uint8)
    for part, packed in (("train", True), ("test", False)):
        content = {"X": images, "y": np.array([[1], [10]], np.uint8)}
        savemat(folder / f"{part}_32x32.mat", content, do_compression=packed)


def _speech(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for word in ("yes", "no"):
        (folder / word).mkdir()
        for index in range(3):
            samples = rng.integers(-9999, 9999, 300, np.int16)
            wavfile.write(folder / word / f"{index}.wav", 16000, samples)
    (folder / "validation_list.txt").write_text("no/1.wav\nyes/2.wav\n")
    (folder / "testing_list.txt").write_text("yes/0.wav\n")


def _data(name: DatasetName) -> Callable[[Path], None]:
    return functools.partial(load_dataset, name)


def _arrays(folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "a.npy", rng.standard_normal((4, 3)).astype(np.float32))
    np.savez_compressed(folder / "a.npz", a=rng.integers(0, 9, (4, 3)), b=np.ones(2, bool))


def _use_arrays(folder: Path) -> None:
    read_npy(folder / "a.npy")
    read_batch(folder / "a.npy")
    read_npz(folder / "a.npz")


def _own(folder: Path) -> None:
    for name, array in own_arrays().items():
        np.save(folder / f"{name}.npy", array)


def _board(folder: Path) -> None:
    (folder / "b.toml").write_text((BOARDS / "ice40_hx8k_b_evn.toml").read_text())


def _use_board(folder: Path) -> None:
    find_board(folder / "b.toml")


KINDS: tuple[Kind, ...] = (
    Kind(
        name="recipe",
        make=_recipe,
        files=("*.toml",),
        mutations=TOML,
        read=lambda folder: Recipe.load(folder / "small.toml") and None,
        share=3,
        command=("train", "{}/small.toml", "-o", "{}/out"),
    ),
    Kind(
        name="dataflow.json",
        make=_dataflow,
        files=(GRAPH_FILE,),
        mutations=JSON,
        read=_use_dataflow,
        share=4,
        command=("rtl", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="dataflow.json of classes",
        make=_classes,
        files=(GRAPH_FILE,),
        mutations=JSON,
        read=_use_dataflow,
        share=2,
        command=("rtl", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="weights.npz",
        make=_dataflow,
        files=(WEIGHTS_FILE,),
        mutations=NPZ,
        read=_use_dataflow,
        share=4,
        command=("rtl", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="folding.json",
        make=_folding,
        files=("rtl/folding.json",),
        mutations=JSON,
        read=_use_folding,
        share=2,
        command=("rtl", "{}/given", "--folding", "{}/rtl/folding.json", "-o", "{}/out"),
    ),
    Kind(
        name="fifos.json",
        make=_fifos,
        files=("fifos.json",),
        mutations=JSON,
        read=_use_fifos,
        share=2,
        command=("rtl", "{}/given", "--fifo-depths", "{}/fifos.json", "-o", "{}/out"),
    ),
    Kind(
        name="model.onnx of images",
        make=_model,
        files=("model.onnx",),
        mutations=or_bytes(how.change_onnx),
        read=_use_model,
        share=6,
        command=("lower", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="model.onnx of rows",
        make=_row_model,
        files=("model.onnx",),
        mutations=or_bytes(how.change_onnx),
        read=_use_model,
        share=2,
        command=("lower", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="model.onnx of vectors",
        make=_flat_model,
        files=("model.onnx",),
        mutations=or_bytes(how.change_onnx),
        read=_use_model,
        share=4,
        command=("lower", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="model.onnx with external data",
        make=_external_model,
        files=("model.onnx", "model.data"),
        mutations=or_bytes(how.change_onnx),
        read=_use_model,
        share=2,
        command=("lower", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="reference.npz",
        make=_flat_model,
        files=("reference.npz",),
        mutations=NPZ,
        read=_use_model,
        share=2,
        command=("lower", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="checkpoint.pt",
        make=_checkpoint,
        files=("checkpoint.pt",),
        mutations=or_bytes(how.change_checkpoint),
        read=_use_checkpoint,
        share=3,
        command=("export", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="checkpoint.json",
        make=_checkpoint,
        files=("checkpoint.json",),
        mutations=JSON,
        read=_use_checkpoint,
        share=3,
        command=("export", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="test.npz",
        make=_checkpoint,
        files=("test.npz",),
        mutations=NPZ,
        read=_use_checkpoint,
        share=2,
        command=("export", "{}", "-o", "{}/out"),
    ),
    Kind(
        name="artifact.json",
        make=_folding,
        files=("rtl/artifact.json",),
        mutations=JSON,
        read=_use_artifact,
        share=2,
        command=("hls", "{}/rtl", "-o", "{}/out"),
    ),
    Kind(
        name="design.json",
        make=_folding,
        files=("rtl/design.json",),
        mutations=JSON,
        read=_use_rtl,
        share=3,
        exact=True,
        command=("hls", "{}/rtl", "-o", "{}/out"),
    ),
    Kind(
        name="RTL",
        make=_folding,
        files=("rtl/*.sv", "rtl/*/*.sv", "rtl/*/*.mem", "rtl/*.mem"),
        mutations=or_bytes(how.change_text),
        read=_use_rtl,
        share=4,
        exact=True,
        command=("hls", "{}/rtl", "-o", "{}/out"),
    ),
    Kind(
        name="device.json",
        make=_device,
        files=("synth/device.json",),
        mutations=JSON,
        read=lambda folder: load_device(folder / "synth") and None,
        share=2,
    ),
    Kind(
        name="manifest.json",
        make=_package,
        files=("package/manifest.json",),
        mutations=JSON,
        read=_use_package,
        share=3,
        command=("deploy", "{}/package", "--simulate"),
    ),
    Kind(
        name="manifest.json of a Zynq",
        make=_pynq_package,
        files=("package/manifest.json",),
        mutations=JSON,
        read=_use_package,
        share=2,
        command=("deploy", "{}/package", "--simulate"),
    ),
    Kind(
        name="package",
        make=_package,
        files=("package/**/*",),
        mutations=or_bytes(how.change_text),
        read=_use_package,
        share=3,
        exact=True,
        command=("deploy", "{}/package", "--simulate"),
    ),
    Kind(
        name="IDX",
        make=_idx,
        files=("*",),
        mutations=BYTES,
        read=_data(DatasetName.MNIST),
        share=2,
    ),
    Kind(
        name="CIFAR-10",
        make=_cifar,
        files=("data_batch_2", "data_batch_2", "*.bin"),
        mutations=BYTES,
        read=_data(DatasetName.CIFAR_10),
        share=2,
    ),
    Kind(
        name="SVHN",
        make=_svhn,
        files=("*.mat",),
        mutations=BYTES,
        read=_data(DatasetName.SVHN),
        share=2,
    ),
    Kind(
        name="Speech Commands",
        make=_speech,
        files=("*/*.wav", "*.txt"),
        mutations=BYTES,
        read=_data(DatasetName.SPEECH_COMMANDS),
        share=2,
    ),
    Kind(
        name="npy and npz",
        make=_arrays,
        files=("a.npy",),
        mutations=NPY,
        read=_use_arrays,
        share=2,
    ),
    Kind(name="npz", make=_arrays, files=("a.npz",), mutations=NPZ, read=_use_arrays, share=2),
    Kind(name="model card", make=_card, files=("net.json",), mutations=JSON, read=_use_card),
    Kind(name="pretrained", make=_card, files=("net.npz",), mutations=NPZ, read=_use_card),
    Kind(name="board", make=_board, files=("*.toml",), mutations=TOML, read=_use_board),
    Kind(name="own data", make=_own, files=("*",), mutations=NPY, read=_data(DatasetName.OWN)),
)
