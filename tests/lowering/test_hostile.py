"""Models that would end the process, or take all memory or time, are one line each."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig
from bnnedge.lowering.guard import guarded
from bnnedge.lowering.load import external_files, read, tidy
from bnnedge.lowering.lower import lower_model
from bnnedge.lowering.wire import parsed_bytes
from tests.lowering.graphs import Graph, bipolar

RNG = np.random.default_rng(0)


def network(*before: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Graph:
    """Nodes in front of a binary layer."""
    graph = Graph((1, 3, 8, 8))
    graph.add("Sign")
    for op, constants, attributes in before:
        graph.add(op, *constants, **attributes)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 192, 4))
    return graph


KERNEL = np.ones((3, 3, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("op", "constants", "attributes", "text"),
    [
        ("Conv", (KERNEL,), {"strides": [0, 1]}, "strides: wanted 1 to .*, got 0, 1"),
        ("Conv", (KERNEL,), {"dilations": [1, -1]}, "dilations: wanted 1 to"),
        ("Conv", (KERNEL,), {"kernel_shape": [0, 1]}, "kernel_shape: wanted 1 to"),
        ("Conv", (KERNEL,), {"group": 0}, "group: wanted 1 to"),
        ("Conv", (KERNEL,), {"pads": [0, 0, -1, 0]}, "pads: wanted 0 to"),
        ("Conv", (KERNEL,), {"pads": [1 << 62, 0, 1, 0]}, "pads: wanted 0 to"),
        ("ConvTranspose", (KERNEL,), {"strides": [0, 0]}, "strides: wanted 1 to"),
        ("MaxPool", (), {"kernel_shape": [2, 2], "strides": [0, 0]}, "strides: wanted 1 to"),
        ("AveragePool", (), {"kernel_shape": [-2, 2]}, "kernel_shape: wanted 1 to"),
        ("LpPool", (), {"kernel_shape": [2, 2], "strides": [0, 0]}, "strides: wanted 1 to"),
        ("DepthToSpace", (), {"blocksize": 0}, "blocksize: wanted 1 to"),
        ("Split", (), {"num_outputs": 0}, "num_outputs: wanted 1 to"),
        ("Pad", (np.array([0, 0, 0, 0, 0, 0, 1 << 40, 0]),), {}, "wanted at most"),
        ("Tile", (np.array([1, 1 << 20, 1 << 10, 1]),), {}, "wanted at most"),
        ("Expand", (np.array([1 << 20, 3, 8, 8]),), {}, "wanted at most"),
        ("Resize", ("", "", np.array([1, 1, 1 << 40, 1], np.int64)), {}, "cannot be lowered"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nodes_without_meaning(
    op: str, constants: tuple[Any, ...], attributes: dict[str, Any], text: str
) -> None:
    graph = network((op, constants, attributes))
    with pytest.raises(LoweringError, match=text):
        tidy(graph.model(18))


@pytest.mark.parametrize("size", [1 << 31, 1 << 40])
@pytest.mark.parametrize("op", ["ConstantOfShape", "Range", "Expand"])
def test_constants_that_grow_beyond_memory(op: str, size: int) -> None:
    graph = network()
    one = np.array(1, np.int64)
    inputs = {
        "ConstantOfShape": [graph.constant(np.array([size]))],
        "Range": [graph.constant(value) for value in (0 * one, size * one, one)],
        "Expand": [graph.constant(np.float32([1])), graph.constant(np.array([size]))],
    }[op]
    graph.nodes.insert(0, helper.make_node(op, inputs, ["big"]))
    graph.nodes.insert(1, helper.make_node("ReduceMax", ["big"], ["one"], keepdims=0))
    graph.nodes.append(helper.make_node("Cast", ["one"], ["float"], to=1))
    graph.nodes.append(helper.make_node("Mul", [graph.last, "float"], ["y"]))
    graph.last = "y"
    with pytest.raises(LoweringError):
        tidy(graph.model(18))


def doubling(count: int) -> Graph:
    """A constant that doubles with every node."""
    graph = network()
    name = graph.constant(np.float32([1, 1]))
    nodes = []
    for index in range(count):
        nodes.append(helper.make_node("Concat", [name, name], [f"d{index}"], axis=0))
        name = f"d{index}"
    graph.nodes = [*nodes, *graph.nodes, helper.make_node("Add", [graph.last, name], ["y"])]
    graph.last = "y"
    return graph


def test_constants_that_double() -> None:
    with pytest.raises(LoweringError):
        tidy(doubling(40).model())


def functions(calls: list[list[str]]) -> onnx.ModelProto:
    """A model whose function k calls functions and ops by these names."""
    model = network().model()
    for index, names in enumerate(calls):
        body, last = [], "a"
        for place, name in enumerate(names):
            domain = "own" if name.startswith("F") else ""
            body.append(helper.make_node(name, [last], [f"v{place}"], domain=domain))
            last = f"v{place}"
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        made = helper.make_function("own", f"F{index}", ["a"], [last], body, opsets)
        model.functions.append(made)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.insert(0, helper.make_node("F0", ["x"], ["called"], domain="own"))
    model.graph.node[1].input[0] = "called"
    return model


@pytest.mark.parametrize(
    ("calls", "text"),
    [
        ([["F0"]], "calls itself"),
        ([["F1"], ["F0"]], "calls itself"),
        ([[f"F{index + 1}"] * 3 for index in range(20)] + [["Sign"]], "wanted at most 10000"),
        ([[f"F{index + 1}"] for index in range(200)] + [["Sign"]], "too deeply"),
        ([["If"]], "F0|If"),
    ],
)
def test_functions(calls: list[list[str]], text: str) -> None:
    model = functions(calls)
    if calls == [["If"]]:
        branch = helper.make_graph([], "then", [], [])
        model.functions[0].node[0].attribute.append(helper.make_attribute("then_branch", branch))
    with pytest.raises(LoweringError, match=text):
        tidy(model)


def test_functions_that_are_called_once_are_inlined() -> None:
    model = functions([["F1", "Identity"], ["Identity"]])
    assert [node.op_type for node in tidy(model).graph.node][-1] == "MatMul"


def changed_constant(**changes: Any) -> onnx.ModelProto:
    model = network().model()
    tensor = model.graph.initializer[0]
    for key, value in changes.items():
        if isinstance(value, list):
            del getattr(tensor, key)[:]
            getattr(tensor, key).extend(value)
        else:
            setattr(tensor, key, value)
    return model


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dims": [192, 5]}, "takes 3840 bytes, 3072 are there"),
        ({"dims": [1 << 40, 1 << 40]}, "bytes, 3072 are there"),
        ({"dims": [-192, -4]}, "no array has shape"),
        ({"dims": [1] * 20}, "no array has shape"),
        ({"data_type": TensorProto.STRING}, "wanted numbers, got type STRING"),
        ({"data_type": TensorProto.COMPLEX64}, "wanted numbers, got type COMPLEX64"),
        ({"data_type": 99}, "wanted numbers, got type 99"),
        ({"name": "\x1b[2J"}, "is no name"),
    ],
)
def test_constants_without_their_numbers(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(LoweringError, match=text):
        tidy(changed_constant(**changes))


def test_names_that_are_there_twice() -> None:
    for what in ("initializer", "input", "output"):
        model = network().model()
        values = getattr(model.graph, what)
        values.append(values[0])
        with pytest.raises(LoweringError, match="the graph has 2 "):
            tidy(model)


def test_too_many_nodes_and_too_large_inputs() -> None:
    model = network().model()
    model.graph.node.extend([model.graph.node[0]] * 10_000)
    with pytest.raises(LoweringError, match="more than 10000 nodes"):
        tidy(model)
    model = network().model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1 << 40
    with pytest.raises(LoweringError, match="wanted at most 67108864 elements"):
        tidy(model)


def test_a_file_that_unfolds_in_memory_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bnnedge.lowering.load.MAX_BYTES", 1 << 25)
    path = network().save(tmp_path / "net.onnx")
    whole = path.read_bytes()
    nodes = b"\n\0" * (1 << 15)  # empty nodes
    bomb = b"\x3a" + _varint(len(nodes)) + nodes
    path.write_bytes(whole + bomb)
    with pytest.raises(LoweringError, match="of memory to read"):
        read(path)
    assert external_files(path) == ()
    for damaged in (whole[:-1], whole + b"\x0b", whole + b"\xff" * 11, whole + b"\x3a\x7f"):
        path.write_bytes(damaged)
        with pytest.raises(LoweringError, match="is not an ONNX model, or truncated"):
            read(path)


def _varint(value: int) -> bytes:
    low = value & 127
    return bytes([low | 128]) + _varint(value >> 7) if value > 127 else bytes([low])


def test_parsed_bytes_counts_what_a_parser_keeps() -> None:
    model = network().model()
    content = memoryview(model.SerializeToString())
    estimate = parsed_bytes(content, onnx.ModelProto.DESCRIPTOR, most=1 << 30)
    assert len(content) < estimate < 1 << 20
    packed = numpy_helper.from_array(np.zeros(100, np.int64))
    packed.ClearField("raw_data")
    packed.int64_data.extend([1] * 100)
    content = memoryview(packed.SerializeToString())
    assert parsed_bytes(content, onnx.TensorProto.DESCRIPTOR, most=1 << 30) > 800


@pytest.mark.parametrize(
    "entries",
    [
        {"length": "5"},
        {"offset": "-1"},
        {"offset": "x"},
        {"offset": "64"},
        {"length": "99999999999"},
    ],
)
def test_external_data_of_another_size_is_not_read(tmp_path: Path, entries: dict[str, str]) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(
        network().model(), path, save_as_external_data=True, location="net.data", size_threshold=0
    )
    read(path)
    model = onnx.load(path, load_external_data=False)
    (tensor,) = model.graph.initializer
    for entry in tensor.external_data:
        entry.value = entries.get(entry.key, entry.value)
    onnx.save(model, path)
    with pytest.raises(LoweringError, match="are said to be|is damaged"):
        read(path)


@pytest.mark.parametrize("place", ["node", "function", "branch"])
def test_external_data_of_nodes_is_looked_at_too(tmp_path: Path, place: str) -> None:
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[8, 4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "net.data"), ("length", str(1 << 35))):
        tensor.external_data.add(key=key, value=value)
    constant = onnx.helper.make_node("Constant", [], ["w"], value=tensor)
    model = network().model()
    if place == "node":
        model.graph.node.append(constant)
    elif place == "function":
        model.functions.append(onnx.FunctionProto(name="F", node=[constant]))
    else:
        branch = onnx.helper.make_graph([constant], "branch", [], [])
        model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "net.data").touch()
    os.truncate(tmp_path / "net.data", 1 << 32)
    assert external_files(tmp_path / "net.onnx") == (tmp_path / "net.data",)
    with pytest.raises(LoweringError, match=r"'w': .* are said to be in|MiB is more than"):
        read(tmp_path / "net.onnx")


def test_a_crash_of_a_library_is_one_line() -> None:
    def crash() -> bytes:
        import ctypes

        ctypes.string_at(8)
        return b""

    with pytest.raises(LoweringError, match="Segmentation fault"):
        guarded(crash, most_bytes=1 << 30, most_seconds=60, what="the graph")


def test_work_beyond_its_limits_is_one_line() -> None:
    def grow() -> bytes:
        return bytes(len(np.ones(1 << 28)))

    def spin() -> bytes:
        while True:
            pass

    with pytest.raises(LoweringError, match="takes more than 0.1 GiB of memory"):
        guarded(grow, most_bytes=1 << 27, most_seconds=60, what="the graph")
    with pytest.raises(LoweringError, match="more than 1 s of processor time"):
        guarded(spin, most_bytes=1 << 30, most_seconds=1, what="the graph")
    assert guarded(lambda: b"made", most_bytes=1 << 30, most_seconds=9, what="") == b"made"


def test_flipped_bytes_of_a_model(tmp_path: Path) -> None:
    """Each is lowered and equals its own graph, or is refused."""
    graph = Graph((1, 8))
    graph.add("Sign")
    graph.add("MatMul", bipolar(RNG, 8, 4))
    path = graph.save(tmp_path / "net.onnx")
    whole = path.read_bytes()
    for place in range(0, len(whole), 17):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            lower_model(path, LoweringConfig(check_images=16))
        except LoweringError as error:
            assert "\n" not in str(error)


def test_work_ends_with_the_process_that_waits_for_it(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys, time\n"
        "from bnnedge.lowering.guard import guarded\n"
        "def work():\n"
        "    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "guarded(work, most_bytes=1 << 30, most_seconds=60, what='the graph')\n"
    )
    path = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as parent:
        while not (path.is_file() and path.read_text()):
            time.sleep(0.05)
        parent.kill()
    child = Path(f"/proc/{path.read_text()}/stat")
    for _ in range(200):
        if not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child lives on")
