"""Behind the split everything has a type of our own: ONNX's messages have none."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bnnedge.lowering

FOLDER = Path(bnnedge.lowering.__file__).parent
READS = {
    "batch",
    "draft",
    "fit",
    "foreign_ops",
    "indexed",
    "infer_shapes",
    "limits",
    "load",
    "obstacles",
}
READS |= {"origins", "tables", "tidy", "vocabulary"}
RUNS = {"check", "execute", "file_check", "fusions"}
WRITES = {"finn_graph", "lower", "write_finn"}
UNTYPED = {"onnx", "onnxruntime", "qonnx", "finn"}


def untyped(source: str, *, at_the_edge: bool) -> Iterator[str]:
    """What a module has no type for: `Any`, and ONNX's messages where nothing reads or runs them.

    Args:
        source: of the module.
        at_the_edge: whether it may know these.
    """
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        match node:
            case ast.Import(names=imported):
                names = [one.name.split(".")[0] for one in imported]
            case ast.ImportFrom(module=str(module)):
                names = [module.split(".")[0]]
            case ast.Name(id="Any") | ast.Attribute(attr="Any"):
                yield "Any"
            case ast.Constant(value="Any"):
                yield "Any"
            case ast.Attribute(attr="proto") if not at_the_edge:
                yield "proto"
            case _:
                pass
        if not at_the_edge:
            yield from UNTYPED.intersection(names)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_everything_behind_the_split_has_a_type(path: Path) -> None:
    at_the_edge = path.stem in READS | RUNS | WRITES or path.parent.name == "passes"
    assert not set(untyped(path.read_text(encoding="utf-8"), at_the_edge=at_the_edge))


def test_the_edges_are_there() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} >= READS | RUNS | WRITES


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("def called(node: Any) -> str: ...", "Any"),
        ("values: NDArray[typing.Any]", "Any"),
        ("def find(name: str) -> 'Any': ...", "Any"),
        ("from qonnx.core.modelwrapper import ModelWrapper", "qonnx"),
        ("if TYPE_CHECKING:\n    import onnx.helper", "onnx"),
        ("kind = node.proto.attribute[0].i", "proto"),
    ],
)
def test_what_has_no_type_is_found(source: str, wanted: str) -> None:
    assert list(untyped(source, at_the_edge=False)) == [wanted]


def test_what_reads_a_file_may_know_its_messages() -> None:
    source = "import onnx\ndef read(node: onnx.NodeProto) -> int: ...\nread(node.proto)"
    assert not list(untyped(source, at_the_edge=True))
