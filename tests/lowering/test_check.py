"""The oracles notice a Dataflow that is not its graph, and say where."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow, XnorMvu
from bnnedge.equality import inputs_for
from bnnedge.errors import MismatchError
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.check import Original, check_finn, check_original
from bnnedge.lowering.load import read
from bnnedge.lowering.notes import Lift
from bnnedge.lowering.stimuli import adversarial_inputs
from tests.lowering.graphs import Graph, bipolar

ONE = np.float32([1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    graph = Graph((1, 2, 8))
    graph.add("Flatten")
    graph.add("Sub", rng.uniform(0, 1, 16))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 16, 9))
    graph.add("Sub", np.float32(1.5))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 9, 4))
    graph.add("Mul", np.float32(0.5))
    return graph.save(tmp_path / "net.onnx")


def _with_mvu(dataflow: Dataflow, index: int, **changes: np.ndarray) -> Dataflow:
    nodes = list(dataflow.nodes)
    node = nodes[index]
    assert isinstance(node, XnorMvu)
    nodes[index] = dataclasses.replace(node, **changes)
    return dataclasses.replace(dataflow, nodes=tuple(nodes))


def _check(path: Path, dataflow: Dataflow) -> dict[str, int]:
    x = adversarial_inputs(dataflow, 200, 0)
    return check_original(dataflow, Original.of(read(path), {}), [], x)


def test_a_threshold_that_is_off_by_one(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    thresholds = np.array(dataflow.mvus[0].thresholds)
    thresholds[5] += 1
    with pytest.raises(MismatchError, match=r"mvu_0: bit 5 of image \d+ is 0.*matmul_6"):
        _check(path, _with_mvu(dataflow, 0, thresholds=thresholds))


def test_rounding_does_not_excuse_most_images(path: Path) -> None:
    """Where the original rounds, a wrong threshold must not leave nothing to compare."""
    dataflow = lower_model(path, LoweringConfig()).dataflow
    thresholds = np.array(dataflow.mvus[0].thresholds)
    original, lifted = Original.of(read(path), {}), [Lift(layer="matmul_3", what="weight scale")]
    x = np.random.default_rng(2).uniform(0, 1, (200, 2, 8)).astype(np.float32)
    few = _with_mvu(dataflow, 0, thresholds=thresholds + (np.arange(9) < 1))
    assert 0 < check_original(few, original, lifted, x)["rounding_images"] < 100
    every = _with_mvu(dataflow, 0, thresholds=thresholds + 1)
    with pytest.raises(MismatchError, match=r"matmul_3\): only \d+ of 200 images"):
        check_original(every, original, lifted, x)


def test_a_flipped_weight_of_the_last_layer(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    weights = dataflow.mvus[1].weights.copy()
    weights[2, 0] ^= 1
    with pytest.raises(MismatchError, match="mvu_1: channel 2 of image 0 differs from node matmul"):
        _check(path, _with_mvu(dataflow, 1, weights=weights))


def test_an_input_threshold_that_is_one_float_off(path: Path) -> None:
    lowered = lower_model(path, LoweringConfig())
    dataflow = lowered.dataflow
    threshold = dataflow.input.threshold.copy()
    threshold[3] = np.nextafter(threshold[3], np.float32(np.inf))
    wrong = dataclasses.replace(
        dataflow, input=dataclasses.replace(dataflow.input, threshold=threshold)
    )
    x = adversarial_inputs(dataflow, 4, 0)
    with pytest.raises(MismatchError, match="input: bit 3 of image"):
        check_original(wrong, Original.of(read(path), {}), [], x)
    with pytest.raises(MismatchError, match="differs from the lowered FINN graph"):
        check_finn(wrong, lowered.graph, x)


def test_an_output_that_is_one_float_off(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    values = np.nextafter(dataflow.output.values, np.float32(np.inf))
    wrong = dataclasses.replace(
        dataflow, output=dataclasses.replace(dataflow.output, values=values)
    )
    with pytest.raises(MismatchError, match="output: channel 0 of image 0 differs from tensor"):
        _check(path, wrong)


def test_a_class_that_is_not_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph((1, 16))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(np.random.default_rng(0), 16, 9))
    graph.add("TopK", np.array([3], np.int64), axis=-1, name="topk")
    graph.nodes[-1].output.insert(0, "values")
    path = graph.save(tmp_path / "top3.onnx", output_type=7)
    dataflow = lower_model(path, LoweringConfig()).dataflow
    _check(path, dataflow)

    fewer = dataclasses.replace(dataflow, output=dataclasses.replace(dataflow.output, k=2))
    with pytest.raises(MismatchError, match=r"class: 2 of an image, node topk \(TopK\) gives 3"):
        _check(path, fewer)

    def swapped(self: Dataflow, accumulators: np.ndarray) -> np.ndarray:
        classes = np.argsort(-self.output.logits(accumulators), axis=1, kind="stable")[:, :3]
        classes[7] = classes[7, [0, 2, 1]]
        return classes

    monkeypatch.setattr(Dataflow, "classes_of", swapped)
    text = r"class: channel 1 of image 7 differs from node topk \(TopK\)"
    with pytest.raises(MismatchError, match=text):
        _check(path, dataflow)


def test_counts(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    counts = _check(path, dataflow)
    images = counts["images"]
    assert images == len(adversarial_inputs(dataflow, 200, 0))
    assert counts == {
        "images": images,
        "bits": images * (16 + 9),
        "outputs": images * 4,
        "rounding_images": 0,
    }


def test_images_are_numbered_across_chunks(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = np.zeros((2100, 2, 8), np.float32)
    x[2050] = 1
    threshold = dataflow.input.threshold.copy()
    threshold[0] = 2
    wrong = dataclasses.replace(
        dataflow, input=dataclasses.replace(dataflow.input, threshold=threshold)
    )
    with pytest.raises(MismatchError, match="input: bit 0 of image 2050 is 0"):
        check_original(wrong, Original.of(read(path), {}), [], x)


def test_inputs_reach_the_bits_that_are_asked_for(path: Path) -> None:
    dataflow = lower_model(path, LoweringConfig()).dataflow
    bits = np.random.default_rng(2).integers(0, 2, (20, 16)).astype(np.uint8)
    x = inputs_for(dataflow.input, bits)
    assert np.array_equal(dataflow.encode(x), bits)
