"""A Dataflow as JSON and arrays, and back."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from bnnedge.arrays import ArrayArchive, ArrayHeader
from bnnedge.config import structure
from bnnedge.dataflow.encoding import IntegerEncoding, ThresholdEncoding
from bnnedge.dataflow.meaning import Meaning
from bnnedge.dataflow.nodes import Node
from bnnedge.dataflow.nodes.mvu import MAGNITUDES_VERSION
from bnnedge.dataflow.output_table import OutputTable
from bnnedge.errors import ConfigError
from bnnedge.names import check_label

FORMAT = "bnnedge-dataflow"
_NODES: Mapping[str, type[Node]] = {node.__name__: node for node in get_args(Node)}
_MEANING_VERSION = 5
FORMAT_VERSION = max(MAGNITUDES_VERSION, *(node.since for node in _NODES.values()))
_BRANCHES_VERSION = 4  # brought `inputs` and k
CHAIN_VERSION = 3  # written where it is enough
OLDEST_VERSION = 2
_ENCODINGS: Mapping[str, type[ThresholdEncoding | IntegerEncoding]] = {
    encoding.__name__: encoding for encoding in (ThresholdEncoding, IntegerEncoding)
}

MOST_BYTES = 1 << 28
"""Of all arrays, with a byte for each weight: more weights than VGG-16 has, or any FPGA holds."""

Arrays = dict[str, NDArray[Any]]
_Part = TypeVar("_Part")


def to_record(
    *,
    name: str,
    input: ThresholdEncoding | IntegerEncoding,
    nodes: Sequence[Node],
    output: OutputTable,
    inputs: Mapping[str, Sequence[str]],
    meaning: Meaning,
) -> tuple[dict[str, Any], Arrays]:
    """What `dataflow.json` and `weights.npz` hold of a Dataflow with these fields."""
    arrays: Arrays = {}
    branches = bool(inputs) or any(node.since >= _BRANCHES_VERSION for node in nodes)
    known = [_MEANING_VERSION] if meaning else []
    least = _BRANCHES_VERSION if branches or output.k > 1 else CHAIN_VERSION
    record = {
        "format": FORMAT,
        "version": max([least, *known, *(node.oldest_version for node in nodes)]),
        "name": name,
        "input": _write(input, "input", arrays),
        "nodes": [_write(node, node.name, arrays) for node in nodes],
        "output": _write(output, "output", arrays),
    }
    if branches:
        record["inputs"] = {name: list(sources) for name, sources in inputs.items()}
    if meaning:
        record["meaning"] = meaning.record()
    return record, arrays


def from_record(record: Mapping[str, Any], arrays: ArrayArchive, source: str) -> dict[str, Any]:
    """The inverse of `to_record`: the fields of a Dataflow, not verified.

    Args:
        record: a JSON value.
        arrays: of the same folder.
        source: what an error message calls the record.

    Raises:
        ConfigError: a value or an array is missing, unknown, or of another type; names it.
        ArrayError: an array is damaged.
    """
    graph = structure(record, _Graph, source=source)
    parts = _Parts(arrays, source)
    encoding = parts.read(_ENCODINGS, graph.input, "input")
    nodes = tuple(parts.read(_NODES, node, None) for node in graph.nodes)
    output = parts.read({OutputTable.__name__: OutputTable}, graph.output, "output")
    parts.require_none_left()
    return {
        "name": graph.name,
        "input": encoding,
        "nodes": nodes,
        "output": output,
        "inputs": graph.inputs,
        "meaning": Meaning.of(graph.meaning, source=f"{source}: meaning"),
    }


@dataclass(frozen=True, kw_only=True)
class _Graph:
    """What `to_record` writes, with parts that are read by their "op"."""

    format: str
    version: int
    name: str
    input: dict[str, Any]
    nodes: tuple[dict[str, Any], ...]
    output: dict[str, Any]
    weights_sha256: str
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    meaning: dict[str, Any] = field(default_factory=dict)


class _Parts:
    """Reads the parts of a graph, each with arrays of its own."""

    def __init__(self, arrays: ArrayArchive, source: str) -> None:
        self._arrays, self._source = arrays, source
        self._left = dict(arrays.headers)
        self._bytes = 0

    def read(
        self, kinds: Mapping[str, type[_Part]], record: Mapping[str, Any], prefix: str | None
    ) -> _Part:
        """One part; its arrays begin with `prefix`, by default its name."""
        values = dict(record)
        op, name = values.pop("op", None), prefix or values.get("name")
        if not isinstance(op, str) or op not in kinds or not isinstance(name, str):
            raise ConfigError(
                f"{prefix or 'nodes'}: wanted a name and an op of {', '.join(kinds)}, got"
                f" {str(op)[:80]!r}"
            )
        check_label(name, what="name of a node", raises=ConfigError)
        kind = kinds[op]
        hints = get_type_hints(kind)
        columns = values.pop("mw", None) if "weights" in hints else None
        for key, hint in hints.items():
            scalar = _scalar_of(hint)
            if scalar is None:
                continue
            if key in values:
                raise ConfigError(f"{name}: {key} is an array, it cannot be in {self._source}")
            header = self._left.pop(f"{name}.{key}", None)
            if header is not None:
                values[key] = self._take(f"{name}.{key}", header, scalar, columns)
        return structure(values, kind, source=f"{self._source}: {name}")

    def _take(
        self, name: str, header: ArrayHeader, scalar: type[np.generic], columns: Any
    ) -> NDArray[Any]:
        if header.dtype != scalar:
            raise ConfigError(f"{name}: wanted {np.dtype(scalar)}, got {header}")
        if not name.endswith(".weights"):
            self._require_space(header.data_bytes)
            return self._arrays.read(name)
        shape = header.shape
        if type(columns) is not int or len(shape) != 2 or shape[1] != -(-columns // 8):
            raise ConfigError(f"{name}: wanted rows of mw = {columns!r:.20} bits, got {header}")
        self._require_space(shape[0] * columns)
        return np.unpackbits(self._arrays.read(name), axis=1, count=columns, bitorder="little")

    def _require_space(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise ConfigError(
                f"wanted weights and tables of at most {MOST_BYTES >> 20} MiB, a byte for each"
                " weight, got more"
            )

    def require_none_left(self) -> None:
        """Raises ConfigError where an array belongs to no part."""
        for name in self._left:
            raise ConfigError(f"array {name[:80]!r} belongs to no node")


def _scalar_of(hint: Any) -> type[np.generic] | None:
    """np.int32 of `NDArray[np.int32]` and of `NDArray[np.int32] | None`; None of all else."""
    for option in (hint, *get_args(hint)):
        if get_origin(option) is np.ndarray:
            (scalar,) = get_args(get_args(option)[1])
            return cast(type[np.generic], scalar)
    return None


def _write(part: Any, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """The JSON of one part; its arrays go to `arrays`, as "<prefix>.<field>"."""
    record: dict[str, Any] = {"op": type(part).__name__}
    for own in dataclasses.fields(part):
        value = getattr(part, own.name)
        if own.name == "weights":
            record["mw"] = part.mw
            value = np.packbits(value, axis=1, bitorder="little")
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{own.name}"] = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            record[own.name] = dataclasses.asdict(value)
        elif value is not None and (own.name, value) != ("k", 1):
            record[own.name] = value
    return record
