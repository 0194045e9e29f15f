"""Export: one deterministic file, equal to PyTorch, and loud when it is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from bnnedge.data.encodings import QuantileThermometer
from bnnedge.errors import CheckpointError, ExportError
from bnnedge.exporter import export
from bnnedge.exporter import onnx_model as onnx_model_module
from bnnedge.exporter.check import compare_norms, compare_streams, execute
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.exporter.reference import adversarial_inputs
from bnnedge.models.checkpoint import save_checkpoint
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.network import Network
from tests.models.networks import random_mlp, random_network

_RNG = np.random.default_rng(0)
_IMAGES = _RNG.integers(0, 17, (40, 16)).astype(np.uint8)
_LABELS = _RNG.integers(0, 10, 40)


@pytest.fixture(scope="module")
def model() -> Network:
    return random_mlp()


@pytest.fixture(scope="module")
def graph(model: Network) -> onnx.ModelProto:
    return to_qonnx(model)


@pytest.fixture
def checkpoint(tmp_path: Path, model: Network) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_checkpoint(folder, model, {"input_range": [0, 16]}, _IMAGES, _LABELS)
    return folder


def _changed(
    graph: onnx.ModelProto, name: str, change: Callable[[np.ndarray], None]
) -> onnx.ModelProto:
    """A copy of a graph with one of its weights edited in place."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    tensor = next(t for t in copy.graph.initializer if t.name == name)
    array = numpy_helper.to_array(tensor).copy()
    change(array)
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    return copy


@pytest.mark.smoke
def test_export_writes_the_model_and_what_pytorch_says(
    tmp_path: Path, checkpoint: Path, model: Network
) -> None:
    artifact = export(checkpoint, tmp_path / "out")
    assert set(artifact.files) == {"model.onnx", "reference.npz"}
    with np.load(tmp_path / "out/reference.npz") as reference:
        inputs, logits = reference["inputs"], reference["logits"]
        assert np.array_equal(inputs[:40], _IMAGES) and np.array_equal(
            reference["labels"][:40], _LABELS
        )
        assert (reference["labels"][40:] == -1).all() and len(inputs) > 150
        with torch.no_grad():
            assert np.array_equal(model(torch.from_numpy(inputs)).numpy(), logits)
        assert np.array_equal(reference["accumulators"].argmax(1), logits.argmax(1))
    exported = onnx.load(tmp_path / "out/model.onnx")
    assert [(p.key, p.value) for p in exported.metadata_props] == [
        ("bnnedge.encoding", "quantile_thermometer")
    ]
    for count in (1, 7):
        assert np.array_equal(execute(exported, inputs[-count:])["logits"], logits[-count:])


def test_the_same_weights_give_the_same_bytes(graph: onnx.ModelProto) -> None:
    again = to_qonnx(random_mlp()).SerializeToString()
    assert graph.SerializeToString() == again
    assert b"bnnedge/" not in again and b".py" not in again  # no paths, no stack traces


def test_graph_has_layer_names_and_nothing_that_depends_on_the_batch(
    graph: onnx.ModelProto,
) -> None:
    assert [node.name for node in graph.graph.node] == [
        *("encoding.unsqueeze", "encoding.sub", "encoding.sign", "encoding.reshape"),
        *("hidden.0.linear.weight_quant", "hidden.0.linear"),
        *("hidden.0.norm.mul", "hidden.0.norm.add", "hidden.0.sign"),
        *("hidden.1.linear.weight_quant", "hidden.1.linear"),
        *("hidden.1.norm.mul", "hidden.1.norm.add", "hidden.1.sign"),
        *("output.linear.weight_quant", "output.linear", "output.norm.mul", "output.norm.add"),
    ]
    shape = next(t for t in graph.graph.initializer if t.name == "encoding.reshape.shape")
    assert numpy_helper.to_array(shape).tolist() == [-1, 48]


def test_images_and_one_bit_inputs_export(tmp_path: Path) -> None:
    network = random_mlp(input_shape=(1, 5, 3), thresholds=(127.3,), hidden=(9,), classes=3)
    exported = to_qonnx(network)
    inputs = adversarial_inputs(
        input_shape=(1, 5, 3),
        encoding=network.input_encoding,
        input_range=(0, 255),
        first_weights=network.layers["hidden.0"].weights.bipolar_weight().numpy(),
    )
    assert compare_norms(network, exported).pairs == 9 * 16 + 3 * 10
    assert compare_streams(network, exported, inputs).numbers > len(inputs) * 15


def test_adversarial_inputs_reach_the_edges(model: Network) -> None:
    thresholds = np.array([4, 8, 12], np.float32)
    inputs = adversarial_inputs(
        input_shape=(16,),
        encoding=model.input_encoding,
        input_range=(0, 16),
        first_weights=model.layers["hidden.0"].weights.bipolar_weight().numpy(),
    )
    for value in (*thresholds, np.nextafter(thresholds[0], np.float32(0)), 0.0, 16.0):
        assert (inputs == value).all(1).any()
    assert (np.signbit(inputs) & (inputs == 0)).any()  # −0.0
    # The last images are the best and the worst of every neuron: compare with brute force.
    weights = model.layers["hidden.0"].weights.bipolar_weight().numpy()
    options = np.array([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [1, 1, 1]])
    reachable = weights.reshape(-1, 16, 3) @ options.T
    accumulators = model.trace(torch.from_numpy(inputs))["hidden.0.linear"].numpy()
    rows = len(weights)
    assert np.array_equal(np.diag(accumulators[-2 * rows : -rows]), reachable.max(2).sum(1))
    assert np.array_equal(np.diag(accumulators[-rows:]), reachable.min(2).sum(1))


def test_adversarial_inputs_reach_the_edges_of_selected_bits() -> None:
    selected = (0, 2, 3, 4, 5, 7, 10, 11, 29)
    encoding = QuantileThermometer(levels=(4.0, 8.0, 12.0), selected=selected)
    config = NetworkConfig(topology=Topology.MLP, hidden=(8,))
    model = random_network(config, input_shape=(10,), encoding=encoding)
    weights = model.probe_weights().numpy()
    inputs = adversarial_inputs(
        input_shape=(10,), encoding=encoding, input_range=(0, 16), first_weights=weights
    )
    accumulators = model.trace(torch.from_numpy(inputs))["hidden.0.linear"].numpy()
    levels = np.stack(np.meshgrid(*[[0.0, 4.0, 8.0, 12.0]] * 4), axis=-1).reshape(-1, 4)
    every = np.zeros((2 * len(levels), 10))
    every[:, :4] = np.tile(levels, (2, 1))
    every[len(levels) :, 9] = 12
    reachable = (encoding.bits(every) * 2.0 - 1) @ weights.T
    assert np.array_equal(np.diag(accumulators[-16:-8]), reachable.max(0))
    assert np.array_equal(np.diag(accumulators[-8:]), reachable.min(0))


def test_a_changed_threshold_is_found_without_any_input_that_shows_it(
    model: Network, graph: onnx.ModelProto
) -> None:
    channel = 1
    assert model.hidden[0].norm.bias[channel] != 0 != model.hidden[0].norm.weight[channel]

    def next_float(shift: np.ndarray) -> None:
        shift[channel] = np.nextafter(shift[channel], np.float32(np.inf))

    wrong = _changed(graph, "hidden.0.norm.shift", next_float)
    with pytest.raises(ExportError, match=r"hidden.0.norm, channel 1, accumulator -?\d+: PyTorch"):
        compare_norms(model, wrong)


def test_a_changed_weight_is_found_and_named(model: Network, graph: onnx.ModelProto) -> None:
    def flip(weight: np.ndarray) -> None:
        weight[7] = -weight[7]

    inputs = _IMAGES.astype(np.float32)
    wrong = _changed(graph, "hidden.1.linear.weight", flip)
    with pytest.raises(ExportError, match=r"hidden.1.linear, channel 7, input \d+: PyTorch gives"):
        compare_streams(model, wrong, inputs)
    assert compare_streams(model, graph, inputs).numbers == 40 * (48 + 2 * 20 + 2 * 12 + 2 * 10)


def test_weights_that_are_not_bipolar_are_refused(model: Network, graph: onnx.ModelProto) -> None:
    scaled = _changed(graph, "bipolar_scale", lambda scale: scale.fill(0.5))
    with pytest.raises(ExportError, match=r"hidden.0.linear: weight \[0, 0\] is -?1 in"):
        compare_norms(model, scaled)


@pytest.mark.parametrize(("weight", "bias"), [(-1.0, 0.0), (1e-3, 1e6)])
def test_an_output_that_loses_the_order_of_classes_is_refused(weight: float, bias: float) -> None:
    network = random_mlp(hidden=(48,))
    network.output.norm.weight.data.fill_(weight)
    network.output.norm.bias.data.fill_(bias)
    with pytest.raises(ExportError, match=r"output.norm: accumulators -48 and -46 get logits"):
        compare_norms(network, to_qonnx(network))


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("linear.weight", np.nan, r"tensor hidden.1.linear.weight \(weight of the BinaryLinear"),
        (
            "norm.running_mean",
            np.inf,
            r"the BatchNorm hidden.1.norm\) holds NaN or infinity: 12 of",
        ),
        ("norm.running_var", -1.0, r"the BatchNorm hidden.1.norm\) holds a negative variance: 12"),
        ("norm.weight", 3e38, r"BatchNorm hidden.1.norm, channel \d+: weight 3e\+38, .* scale inf"),
    ],
)
def test_numbers_that_nothing_can_be_made_of_are_named_with_their_layer(
    tensor: str, value: float, message: str
) -> None:
    network = random_mlp()
    network.state_dict()[f"hidden.1.{tensor}"].fill_(value)
    with pytest.raises(ExportError, match=message) as caught:
        to_qonnx(network)
    assert "train again" in str(caught.value) and "\n" not in str(caught.value)


def test_a_forgotten_eval_is_named() -> None:
    network = random_mlp()
    exported = to_qonnx(network)
    network.hidden[1].train()
    with pytest.raises(ExportError, match=r"hidden.1 \(HiddenLayer\) is in training mode.*eval"):
        compare_norms(network, exported)
    with pytest.raises(ExportError, match=r"the network \(\w+\) is in training mode"):
        compare_streams(network.train(), exported, _IMAGES.astype(np.float32))


def test_exact_zeros_are_remarked_on(tmp_path: Path) -> None:
    network = random_mlp()
    layer = network.layers["hidden.1"]
    layer.weights.weight.data.view(-1)[5:9] = 0.0
    folder, images = tmp_path / "checkpoint", np.concatenate([_IMAGES[:3], _IMAGES[:3]])
    folder.mkdir()
    output = network.layers["output"].weights.weight.data
    output[:] = output[0]  # all classes tie
    save_checkpoint(folder, network, {"input_range": [0, 16]}, images, _LABELS[:6])
    remarks = export(folder, tmp_path / "out").facts.remarks
    assert next(remark for remark in remarks if "latent" in remark).startswith(
        "hidden.1: 4 of 240 latent weights are exactly 0 and count as +1"
    )
    ties = next(remark for remark in remarks if "in front of a sign" in remark)
    accumulators = torch.tensor([list(layer.reachable())] * 12).T.float()
    with torch.no_grad():
        zeros = int((layer.norm(accumulators) == 0).sum())
    assert zeros and f"hidden.1 {zeros};" in ties and "onnxruntime" in ties
    assert any(remark.startswith("6 of 6 test images have two largest") for remark in remarks)


def test_a_mismatch_leaves_no_folder(
    tmp_path: Path, checkpoint: Path, graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nudge(scale: np.ndarray) -> None:
        scale[3] *= np.float32(1.001)

    wrong = _changed(graph, "hidden.1.norm.scale", nudge)
    monkeypatch.setattr(onnx_model_module, "to_qonnx", lambda _: wrong)
    with pytest.raises(ExportError, match=r"hidden.1.norm, channel 3, accumulator"):
        export(checkpoint, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_missing_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a folder .*bnnedge train"):
        export(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"checkpoint.json is missing"):
        export(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()
