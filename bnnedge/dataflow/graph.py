"""The Dataflow: its structure, its checks, its meaning (`run`), and its folder."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.encoding import Bits, ThresholdEncoding
from bnnedge.dataflow.nodes import BIPOLAR, ArgMax, Node, OutputTable, Stream, XnorMvu
from bnnedge.errors import DataflowError

FORMAT_VERSION = 1
GRAPH_FILE = "dataflow.json"
WEIGHTS_FILE = "weights.npz"
_BATCH = 4096  # images interpreted at a time: bounds memory, not results


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """A chain of integer nodes between a host-side input encoding and a host-side output table.

    The chain is: thresholded `XnorMvu`s, one accumulating `XnorMvu`, and an `ArgMax` where the
    class is found in hardware.

    Attributes:
        name: of the network.
        input: how the network's own input becomes bits.
        nodes: in the order of the data.
        output: the original graph's float tail.
    """

    name: str
    input: ThresholdEncoding
    nodes: tuple[Node, ...]
    output: OutputTable

    @property
    def mvus(self) -> tuple[XnorMvu, ...]:
        """The matrix-vector units, in order."""
        return tuple(node for node in self.nodes if isinstance(node, XnorMvu))

    def streams(self) -> tuple[Stream, ...]:
        """Types of the streams: the input bits, then every node's output.

        Raises:
            DataflowError: a node does not fit what comes before it.
        """
        streams = [Stream(channels=self.input.features, element=BIPOLAR)]
        for node in self.nodes:
            streams.append(node.output_stream(streams[-1]))
        return tuple(streams)

    def verify(self) -> None:
        """Check every invariant.

        Raises:
            DataflowError: names the node and what is wrong with it.
        """
        self.input.verify()
        names = [node.name for node in self.nodes]
        if len(set(names)) != len(names) or not all(names):
            raise DataflowError(f"{self.name}: node names are not unique: {', '.join(names)}")
        self.streams()
        if not self.mvus or self.mvus[-1].thresholds is not None:
            raise DataflowError(f"{self.name}: wanted a last XnorMvu that outputs accumulators")
        tail = self.nodes[len(self.mvus) :]
        if len(tail) > 1 or not all(isinstance(node, ArgMax) for node in tail):
            raise DataflowError(f"{self.name}: only one ArgMax may follow the last XnorMvu")
        self.output.verify(self.mvus[-1])
        if tail and not (self.output.classes and self.output.keeps_order):
            raise DataflowError(
                f"{tail[0].name}: accumulators do not order the classes as the float outputs do"
            )

    def encode(self, x: NDArray[Any]) -> Bits:
        """Inputs (N, *input.input_shape) → bits (N, F), uint8. Raises DataError on a bad batch."""
        return self.input.encode(x)

    def trace(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Every stream's values by the name of the node that makes it; "input" holds the bits."""
        values: dict[str, NDArray[Any]] = {"input": self.encode(x)}
        for before, node in zip(["input", *(n.name for n in self.nodes)], self.nodes, strict=False):
            values[node.name] = node.run(values[before])
        return values

    def accumulators(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → the last layer's dot products (N, K), int64."""
        return self.accumulators_of_bits(self.encode(x))

    def accumulators_of_bits(self, bits: Bits) -> NDArray[np.int64]:
        """Encoded inputs (N, F) → the last layer's dot products (N, K), int64."""
        out = np.empty((len(bits), self.mvus[-1].mh), np.int64)
        for start in range(0, len(bits), _BATCH):
            values: NDArray[Any] = bits[start : start + _BATCH]
            for node in self.mvus:
                values = node.run(values)
            out[start : start + _BATCH] = values
        return out

    def classes_of(self, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
        """Dot products (N, K) → classes (N,): arg-max of the float outputs, ties to the lowest."""
        classes: NDArray[np.int64] = self.output.logits(accumulators).argmax(axis=1)
        return classes

    def run(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """The network's integer result.

        Args:
            x: (N, *input.input_shape), what the original graph takes, any real dtype.

        Returns:
            Dot products (N, K), or classes (N,) where the original graph ends in top-1; int64.

        Raises:
            DataError: wrong shape, not numbers, or NaN.
        """
        accumulators = self.accumulators(x)
        return self.classes_of(accumulators) if self.output.classes else accumulators

    def logits(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Inputs (N, *input.input_shape) → the original graph's float outputs (N, K), float32."""
        return self.output.logits(self.accumulators(x))

    def classify(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → classes (N,)."""
        return self.classes_of(self.accumulators(x))

    def save(self, folder: Path) -> None:
        """Write `dataflow.json` and `weights.npz` into an existing folder, byte for byte stable."""
        self.verify()
        arrays: dict[str, NDArray[Any]] = {
            "input.source": self.input.source,
            "input.threshold": self.input.threshold,
            "input.invert": self.input.invert,
            "output.values": self.output.values,
        }
        nodes: list[dict[str, Any]] = []
        for node in self.nodes:
            nodes.append({"op": type(node).__name__, "name": node.name})
            if isinstance(node, XnorMvu):
                arrays[f"{node.name}.weights"] = np.packbits(node.weights, 1, bitorder="little")
                nodes[-1] |= {"mh": node.mh, "mw": node.mw}
                if node.thresholds is not None and node.invert is not None:
                    arrays[f"{node.name}.thresholds"] = node.thresholds
                    arrays[f"{node.name}.invert"] = node.invert
        _save_arrays(folder / WEIGHTS_FILE, arrays)
        graph = {
            "format": "bnnedge-dataflow",
            "version": FORMAT_VERSION,
            "name": self.name,
            "input": {"encoding": self.input.name, "shape": list(self.input.input_shape)},
            "nodes": nodes,
            "output": {"classes": self.output.classes},
            "weights_sha256": _sha256(folder / WEIGHTS_FILE),
        }
        (folder / GRAPH_FILE).write_text(json.dumps(graph, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> "Dataflow":
        """Read and verify a folder written by `save`.

        Raises:
            DataflowError: missing, truncated, altered or newer files, or an inconsistent graph.
        """
        folder = Path(folder)
        graph = _load_graph(folder / GRAPH_FILE)
        try:
            if graph["weights_sha256"] != _sha256(folder / WEIGHTS_FILE):
                raise DataflowError(
                    f"{folder / WEIGHTS_FILE} is truncated or was altered (its sha256 differs)",
                    remedy="run bnnedge lower again",
                )
            with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as arrays:
                dataflow = _from_record(graph, arrays)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise DataflowError(
                f"{folder} does not hold a whole Dataflow ({type(error).__name__}: {error})",
                remedy="run bnnedge lower again",
            ) from error
        dataflow.verify()
        return dataflow


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """`np.savez_compressed` without its time stamps, so that equal graphs are equal files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as sink:
                np.lib.format.write_array(sink, np.asarray(array), allow_pickle=False)


def _load_graph(path: Path) -> dict[str, Any]:
    try:
        graph = json.loads(path.read_text())
        if graph["format"] != "bnnedge-dataflow":
            raise ValueError(f"format is {graph['format']!r}")
        version = int(graph["version"])
    except FileNotFoundError:
        raise DataflowError(
            f"{path.parent} is not a Dataflow folder: it has no {path.name}",
            remedy="give the folder that `bnnedge lower` wrote",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataflowError(
            f"{path} is not a readable Dataflow ({type(error).__name__}: {error})",
            remedy="run bnnedge lower again",
        ) from error
    if version != FORMAT_VERSION:
        raise DataflowError(
            f"{path} has format version {version}, this bnnedge reads {FORMAT_VERSION}",
            remedy="upgrade bnnedge, or run bnnedge lower again",
        )
    return dict(graph)


def _from_record(graph: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Dataflow:
    nodes: list[Node] = []
    for record in graph["nodes"]:
        name = str(record["name"])
        match record["op"]:
            case "ArgMax":
                nodes.append(ArgMax(name=name))
            case "XnorMvu":
                packed = arrays[f"{name}.weights"]
                thresholded = f"{name}.thresholds" in arrays
                nodes.append(
                    XnorMvu(
                        name=name,
                        weights=np.unpackbits(
                            packed, axis=1, count=int(record["mw"]), bitorder="little"
                        ),
                        thresholds=arrays[f"{name}.thresholds"] if thresholded else None,
                        invert=arrays[f"{name}.invert"] if thresholded else None,
                    )
                )
            case op:
                raise ValueError(f"node {name} has the unknown op {op!r}")
    return Dataflow(
        name=str(graph["name"]),
        input=ThresholdEncoding(
            name=str(graph["input"]["encoding"]),
            input_shape=tuple(int(size) for size in graph["input"]["shape"]),
            source=arrays["input.source"],
            threshold=arrays["input.threshold"],
            invert=arrays["input.invert"],
        ),
        nodes=tuple(nodes),
        output=OutputTable(
            values=arrays["output.values"], classes=bool(graph["output"]["classes"])
        ),
    )
