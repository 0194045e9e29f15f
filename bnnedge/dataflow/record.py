"""A Dataflow as JSON and arrays, and back."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.branches import Add, Concat, Crop, MultiThreshold, PadChannels
from bnnedge.dataflow.encoding import IntegerEncoding, ThresholdEncoding
from bnnedge.dataflow.mvu import IntegerMvu, XnorMvu
from bnnedge.dataflow.nodes import ArgMax, Flatten, Node, OutputTable, ScoreTable, Threshold
from bnnedge.dataflow.streams import ElementType
from bnnedge.dataflow.windows import MaxPool, SlidingWindow, SumPool, Window

if TYPE_CHECKING:
    from bnnedge.dataflow.graph import Dataflow

FORMAT_VERSION = 4
# Written where possible: version 4 without `inputs`, `_BRANCHES`, k and max-pools of integers.
CHAIN_VERSION = 3
OLDEST_VERSION = 2  # which has no ScoreTable, and is version 3 in all else

_BRANCHES = (MultiThreshold, Add, Concat, PadChannels, Crop)

_NODES: Mapping[str, type[Node]] = {
    node.__name__: node
    for node in (
        XnorMvu,
        IntegerMvu,
        SlidingWindow,
        MaxPool,
        SumPool,
        Threshold,
        *_BRANCHES,
        Flatten,
        ScoreTable,
        ArgMax,
    )
}
_ENCODINGS: Mapping[str, type[ThresholdEncoding | IntegerEncoding]] = {
    encoding.__name__: encoding for encoding in (ThresholdEncoding, IntegerEncoding)
}

Arrays = dict[str, NDArray[Any]]
_Part = TypeVar("_Part")


def to_record(dataflow: "Dataflow") -> tuple[dict[str, Any], Arrays]:
    """What `dataflow.json` and `weights.npz` hold."""
    arrays: Arrays = {}
    branches = bool(dataflow.inputs) or any(isinstance(n, _BRANCHES) for n in dataflow.nodes)
    newer = branches or dataflow.output.k > 1 or any(map(_pools_integers, dataflow.nodes))
    record = {
        "format": "bnnedge-dataflow",
        "version": FORMAT_VERSION if newer else CHAIN_VERSION,
        "name": dataflow.name,
        "input": _write(dataflow.input, "input", arrays),
        "nodes": [_write(node, node.name, arrays) for node in dataflow.nodes],
        "output": _write(dataflow.output, "output", arrays),
    }
    if branches:
        record["inputs"] = {name: list(sources) for name, sources in dataflow.inputs.items()}
    return record, arrays


def from_record(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "Dataflow":
    """The inverse of `to_record`.

    Raises:
        KeyError, TypeError, ValueError: something is missing or is not what it should be.
    """
    from bnnedge.dataflow.graph import Dataflow

    source, output = record["input"], record["output"]
    return Dataflow(
        name=str(record["name"]),
        input=_read(_ENCODINGS[source["op"]], source, "input", arrays),
        nodes=tuple(
            _read(_NODES[node["op"]], node, str(node["name"]), arrays) for node in record["nodes"]
        ),
        output=_read(OutputTable, output, "output", arrays),
        inputs={
            str(name): tuple(map(str, sources))
            for name, sources in record.get("inputs", {}).items()
        },
    )


def _pools_integers(node: Node) -> bool:
    return isinstance(node, MaxPool) and node.conjunction is None


def _write(part: Any, prefix: str, arrays: Arrays) -> dict[str, Any]:
    """The JSON of one part; its arrays go to `arrays`, as "<prefix>.<field>"."""
    record: dict[str, Any] = {"op": type(part).__name__}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name == "weights":
            record["mw"] = part.mw
            value = np.packbits(value, axis=1, bitorder="little")
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{field.name}"] = value
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            record[field.name] = dataclasses.asdict(value)
        elif value is not None and (field.name, value) != ("k", 1):
            record[field.name] = value
    return record


def _read(
    kind: type[_Part], record: Mapping[str, Any], prefix: str, arrays: Mapping[str, NDArray[Any]]
) -> _Part:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        key = f"{prefix}.{field.name}"
        if field.name == "weights":
            count = int(record["mw"])
            values["weights"] = np.unpackbits(arrays[key], axis=1, count=count, bitorder="little")
        elif key in arrays:
            values[field.name] = arrays[key]
        elif field.name in record:
            values[field.name] = _value(field.name, record[field.name])
    return kind(**values)


def _value(field: str, value: Any) -> Any:
    match field:
        case "window":
            sizes: dict[str, Any] = {key: tuple(map(int, part)) for key, part in value.items()}
            return Window(**sizes)
        case "element":
            return ElementType(**value)
        case _:
            return tuple(int(n) for n in value) if isinstance(value, list) else value
