"""What became of every node of a graph, and the graph as it is behind a step."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper

from bnnedge import verbs
from bnnedge.cli import main
from bnnedge.errors import ConfigError, LoweringError
from bnnedge.lowering import LoweringConfig, lower_model, write_graph
from bnnedge.lowering.draft import draft
from bnnedge.lowering.fates import RefusedError, lines_of
from bnnedge.lowering.tidy import STEPS
from tests.lowering.graphs import Graph, bipolar

CONFIG = LoweringConfig(check_images=1)


def network() -> Graph:
    """Nodes of every fate; the second layer's weights are behind a quantiser."""
    rng = np.random.default_rng(0)
    graph = Graph((1, 1, 6, 6))
    graph.add("BipolarQuant", np.float32([1]), name="in")
    graph.add("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(1), name="pad")
    graph.add("Conv", bipolar(rng, 3, 1, 3, 3), name="conv")
    graph.add("Relu", name="relu")
    dead = graph.last
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], name="pool")
    graph.add("Sub", np.float32(2), name="shift")
    graph.add("BipolarQuant", np.float32([1]), name="bits")
    data = graph.add("Flatten", name="flatten")
    graph.last = graph.constant(rng.standard_normal((27, 4)))
    weights = graph.add("BipolarQuant", np.float32([1]), name="weights")
    graph.last = dead
    graph.add("Neg", name="dead")
    graph.last = data
    graph.add("MatMul", weights, name="dense")
    graph.add("Mul", np.float32(0.3), name="scale")
    graph.add("Softmax", axis=1, name="softmax")
    graph.add("ArgMax", axis=1, name="class")
    return graph


EXPLAINED = [
    "in (BipolarQuant): on the host, in the encoding of the input",
    "pad (Pad): in the window of window_0",
    "conv (Conv): becomes window_0 and mvu_0",
    "relu (Relu): in the thresholds of mvu_0",
    "pool (MaxPool): becomes pool_0",
    "shift (Sub): in the thresholds of mvu_0",
    "bits (BipolarQuant): in the thresholds of mvu_0",
    "flatten (Flatten): changes no integer that mvu_1 takes",
    "weights (BipolarQuant): removed by fold_constants",
    "dead (Neg): removed by check_network",
    "dense (MatMul): becomes mvu_1",
    "scale (Mul): on the host, in the table of the outputs",
    "softmax (Softmax): left to the host",
    "class (ArgMax): becomes arg_max",
]


def saved(graph: Graph, folder: Path) -> Path:
    return graph.save(folder / "network.onnx", output_type=onnx.TensorProto.INT64)


def test_every_node_is_told_of(tmp_path: Path) -> None:
    assert lines_of(draft(saved(network(), tmp_path), CONFIG).fates) == EXPLAINED


def test_nodes_without_names_of_their_own_are_told_apart(tmp_path: Path) -> None:
    graph = network()
    for node, name in zip(graph.nodes, ["", "a", "a", "Relu_3", "", "a_2"], strict=False):
        node.name = name
    found = [fate.node for fate in draft(saved(graph, tmp_path), CONFIG).fates]
    assert found[:6] == ["BipolarQuant_0", "a", "a_2", "Relu_3", "MaxPool_4", "a_2_5"]
    assert len({*found}) == len(graph.nodes)


def test_a_node_that_another_replaces_goes_on_as_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step may give a node another type and name: its tensor tells where it went."""

    def less_than(model: onnx.ModelProto) -> None:
        (node,) = (node for node in model.graph.node if node.op_type == "Neg")
        before = node.input[0]
        zero = onnx.numpy_helper.from_array(np.float32(0), "zero")
        model.graph.initializer.append(zero)
        node.CopyFrom(helper.make_node("Sub", ["zero", before], node.output, name="difference"))

    graph = Graph((1, 6))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("MatMul", bipolar(np.random.default_rng(0), 6, 4))
    graph.add("Neg", name="negated")
    step = type(STEPS[0])(run=less_than, why="a test")
    monkeypatch.setattr("bnnedge.lowering.tidy.STEPS", (*STEPS[:5], step, *STEPS[5:]))
    fates = draft(graph.save(tmp_path / "network.onnx"), CONFIG).fates
    assert lines_of(fates)[-1] == "negated (Neg): on the host, in the table of the outputs"


def test_nodes_of_functions_are_told_of(tmp_path: Path) -> None:
    graph = Graph((1, 6))
    graph.add("BipolarQuant", np.float32([1]), name="in")
    graph.add("MatMul", bipolar(np.random.default_rng(0), 6, 4), name="dense")
    graph.add("Twice", name="twice")
    graph.nodes[-1].domain = "own"
    model = graph.model()
    body = [helper.make_node("Add", ["a", "a"], ["b"], name="sum")]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "network.onnx")
    names = [fate.node for fate in draft(tmp_path / "network.onnx", CONFIG).fates]
    assert names[:2] == ["in", "dense"] and len(names) == 3 and "sum" in names[2]


@pytest.mark.parametrize("op", ["Sin", "Sqrt"])
def test_a_refused_node_is_told_of(tmp_path: Path, op: str) -> None:
    """Of an op that is not known, and of one that cannot be lowered where it is."""
    graph = Graph((1, 6))
    graph.add(op, name="bad")
    graph.add("MatMul", bipolar(np.random.default_rng(0), 6, 4), name="dense")
    path = graph.save(tmp_path / "network.onnx")
    with pytest.raises(RefusedError, match="node bad") as refusal:
        lower_model(path, CONFIG, explain=True)
    lines = lines_of(refusal.value.fates)
    assert lines[0] == f"bad ({op}): refused" and lines[1].startswith("dense (MatMul): ")
    with pytest.raises(LoweringError, match="node bad") as plain:
        lower_model(path, CONFIG)
    assert str(plain.value) == str(refusal.value) and type(plain.value) is LoweringError


def test_the_command_explains(tmp_path: Path) -> None:
    path = saved(network(), tmp_path)
    found = CliRunner().invoke(main, ["lower", str(path), "-o", str(tmp_path / "out"), "--explain"])
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[: len(EXPLAINED)] == EXPLAINED
    for options in ([], ["--until", "fold_constants"]):
        out = str(tmp_path / f"{len(options)}")
        silent = CliRunner().invoke(main, ["lower", str(path), "-o", out, *options])
        assert silent.exit_code == 0 and "dense (MatMul)" not in silent.stdout, silent.output


def test_the_command_explains_a_refusal(tmp_path: Path) -> None:
    graph = Graph((1, 6))
    graph.add("Sin", name="bad")
    path, out = graph.save(tmp_path / "network.onnx"), tmp_path / "out"
    found = CliRunner().invoke(main, ["lower", str(path), "-o", str(out), "--explain"])
    assert found.exit_code == 1 and found.stdout == "" and not out.exists()
    explained, failure = found.stderr.splitlines()
    assert explained == "bad (Sin): refused" and failure.startswith("bnnedge: node bad (Sin): ")


def test_the_graph_is_written_behind_every_step(tmp_path: Path) -> None:
    path = saved(network(), tmp_path)
    sizes = {}
    for step in STEPS[::4]:
        artifact = write_graph(path, CONFIG, step.name, tmp_path / step.name)
        graph = onnx.load(tmp_path / step.name / f"{step.name}.onnx").graph
        sizes[step.name] = len(graph.node)
        assert artifact.facts.nodes == len(graph.node) and len(artifact.facts.fates) == 14
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    assert sizes[STEPS[0].name] == 14


def test_the_graph_is_written_as_it_is_lowered(tmp_path: Path) -> None:
    path = saved(network(), tmp_path)
    written = verbs.lower(path, tmp_path / "written", until="lowered")
    verbs.lower(path, tmp_path / "whole")
    same = [(tmp_path / name / "lowered.onnx").read_bytes() for name in ("written", "whole")]
    assert same[0] == same[1] and lines_of(written.facts.fates) == EXPLAINED
    with pytest.raises(ConfigError, match="holds what bnnedge lower --until wrote"):
        verbs.lower(path, tmp_path / "written")


def test_an_unknown_step_is_one_line_with_the_choices(tmp_path: Path) -> None:
    path, out = saved(network(), tmp_path), tmp_path / "out"
    found = CliRunner().invoke(main, ["lower", str(path), "-o", str(out), "--until", "fold"])
    (line,) = found.stderr.splitlines()
    assert found.exit_code == 1 and not out.exists()
    assert line.startswith("bnnedge: until: wanted one of name_nodes, ")
    assert line.endswith(", forget_annotations, lowered, got 'fold'")
    found = CliRunner().invoke(main, ["lower", str(path), "-o", str(out), "--until", "fold_const"])
    near = "until: wanted a step, got 'fold_const' (did you mean fold_constants?)"
    assert found.stderr == f"bnnedge: {near}\n" and not out.exists()


def test_steps_have_names_of_their_own() -> None:
    names = [step.name for step in STEPS]
    assert len({*names}) == len(names) and all(name.isidentifier() for name in names)
