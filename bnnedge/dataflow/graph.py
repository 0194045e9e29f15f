"""The Dataflow: its structure, its checks, its meaning (`run`), and its folder."""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.arrays import open_npz
from bnnedge.dataflow.arrays import as_array
from bnnedge.dataflow.encoding import IntegerEncoding, ThresholdEncoding
from bnnedge.dataflow.meaning import Meaning
from bnnedge.dataflow.nodes import IntegerMvu, LutLayer, Node, XnorMvu
from bnnedge.dataflow.nodes.arg_max import largest_indices
from bnnedge.dataflow.nodes.base import ClassNode
from bnnedge.dataflow.output_table import OutputTable
from bnnedge.dataflow.record import (
    FORMAT,
    FORMAT_VERSION,
    MOST_BYTES,
    OLDEST_VERSION,
    from_record,
    to_record,
)
from bnnedge.dataflow.streams import Stream
from bnnedge.dataflow.summary import KernelSize, Summary, summarise
from bnnedge.errors import ArrayError, ConfigError, DataflowError
from bnnedge.files import load_json, open_file
from bnnedge.names import check_label, check_network_name

GRAPH_FILE = "dataflow.json"
WEIGHTS_FILE = "weights.npz"
INPUT = "input"  # what the encoded input is called among the streams
_MOST_NODES = 4096
_BATCH_ELEMENTS = 1 << 25  # of the widest stream, interpreted at a time: bounds memory


@dataclass(frozen=True, kw_only=True)
class Dataflow:
    """A graph of integer nodes between a host-side input encoding and a host-side output table.

    The last matrix-vector unit gives accumulators; only nodes that say so may follow it, and behind
    these the nodes that find classes, where the hardware does.

    Attributes:
        name: of the network, see `bnnedge.names`.
        input: how the network's own input becomes bits or integers.
        nodes: in an order in which they can run.
        output: the original graph's float tail.
        inputs: by a node's name, the names of the nodes that it reads, "input" being the encoded
            input. A node that is not listed reads the one before it.
        meaning: of its inputs and classes.
    """

    name: str
    input: ThresholdEncoding | IntegerEncoding
    nodes: tuple[Node, ...]
    output: OutputTable
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meaning: Meaning = field(default_factory=Meaning)

    @property
    def mvus(self) -> tuple[XnorMvu | IntegerMvu, ...]:
        """The matrix-vector units, in order."""
        return tuple(node for node in self.nodes if isinstance(node, XnorMvu | IntegerMvu))

    @property
    def layers(self) -> tuple[XnorMvu | IntegerMvu | LutLayer, ...]:
        """The matrix-vector units and the layers of tables, in order."""
        return tuple(n for n in self.nodes if isinstance(n, XnorMvu | IntegerMvu | LutLayer))

    @property
    def class_nodes(self) -> tuple[ClassNode, ...]:
        """The last nodes, which find the classes in hardware; none where the host finds them."""
        match self.nodes[-2:]:
            case (ClassNode(gives_classes=False) as before, ClassNode(gives_classes=True) as last):
                return before, last
            case (*_, ClassNode(gives_classes=True) as last):
                return (last,)
            case _:
                return ()

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """By every node's name, the names of what it reads."""
        before = (INPUT, *(node.name for node in self.nodes))
        return {
            node.name: self.inputs.get(node.name, (previous,))
            for previous, node in zip(before, self.nodes, strict=False)
        }

    def streams(self) -> Mapping[str, Stream]:
        """Types of the streams: the input's, "input", then every node's output by its name.

        Raises:
            DataflowError: a node does not fit what it reads.
        """
        streams = {INPUT: self.input.stream}
        sources = self.sources
        for node in self.nodes:
            names = sources[node.name]
            unknown = [name for name in names if name not in streams]
            if unknown:
                raise DataflowError(f"{node.name}: reads {unknown[0]}, which does not come before")
            if len(names) != node.arity:
                raise DataflowError(f"{node.name}: wanted {node.arity} inputs, got {len(names)}")
            streams[node.name] = node.output_stream(*(streams[name] for name in names))
            streams[node.name].verify(node.name)
        return streams

    def verify(self) -> None:
        """Check every invariant.

        Raises:
            DataflowError: names the node and what is wrong with it.
        """
        check_network_name(self.name, raises=DataflowError)
        check_label(self.input.name, what="name of the encoding", raises=DataflowError)
        if len(self.nodes) > _MOST_NODES:
            raise DataflowError(f"{self.name}: wanted at most {_MOST_NODES} nodes")
        held = sum(
            value.nbytes
            for part in (self.input, *self.nodes, self.output)
            for value in vars(part).values()
            if isinstance(value, np.ndarray)
        )
        if held > MOST_BYTES:
            raise DataflowError(
                f"{self.name}: weights, a byte each, and tables take {held >> 20} MiB,"
                f" wanted at most {MOST_BYTES >> 20} MiB"
            )
        self.input.verify()
        shape = self.input.input_shape
        self.meaning.verify(shape, len(self.output.values), raises=DataflowError)
        names = [node.name for node in self.nodes]
        for name in names:
            check_label(name, what="name of a node", raises=DataflowError)
        if len(set(names)) != len(names):
            raise DataflowError(f"{self.name}: node names are not unique: {', '.join(names)}")
        if INPUT in names and self.inputs:
            raise DataflowError(f"{self.name}: no node may be called {INPUT}")
        unknown = sorted(set(self.inputs) - set(names))
        if unknown:
            raise DataflowError(f"{self.name}: inputs of {unknown[0]}, which is no node")
        streams = self.streams()
        if not self.mvus or self.mvus[-1].thresholds is not None:
            raise DataflowError(f"{self.name}: wanted a last matrix-vector unit without thresholds")
        read = {name for sources in self.sources.values() for name in sources}
        unread = [name for name in (INPUT, *names[:-1]) if name not in read]
        if unread:
            raise DataflowError(f"{unread[0]}: no node reads it")
        end = len(self.nodes) - len(self.class_nodes)
        for node in self.nodes[self.nodes.index(self.mvus[-1]) + 1 : end]:
            if not node.follows_last:
                raise DataflowError(f"{node.name}: may not follow {self.mvus[-1].name}")
        for node in self.nodes[:end]:
            if isinstance(node, ClassNode):
                raise DataflowError(f"{node.name}: must be at the end")
        element = streams[self.sources[self.mvus[-1].name][0]].element
        reach, step = max(-element.least, element.most), 2 if element.bipolar else 1
        for node in self.nodes[self.nodes.index(self.mvus[-1]) : end]:
            reach, step = node.accumulators(reach, step)
        self.output.verify(streams[self.nodes[end - 1].name], reach)
        if step == 1 and self.output.step != 1:
            raise DataflowError(f"{self.name}: accumulators do not lie {self.output.step} apart")
        ordered = bool(self.class_nodes) and self.output.keeps_order
        for finder in self.class_nodes:
            ordered = finder.verify_order(self.output, ordered)

    def encode(self, x: NDArray[Any]) -> NDArray[Any]:
        """Inputs (N, *input.input_shape) → the first stream, bits (uint8) or integers (int32).

        Its shape is (N, *input.output_shape). `input.encode` does it without regard to what inputs
        mean.

        Raises:
            DataError: see `input.encode` and `Meaning.check`.
        """
        x = as_array(x)
        self.meaning.check(x)
        return self.input.encode(x)

    def trace(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Every stream's values by the name of the node that makes it; "input" is encoded."""
        return self.trace_of(self.encode(x))

    def trace_of(self, encoded: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """`trace` of encoded inputs (N, *input.output_shape)."""
        values: dict[str, NDArray[Any]] = {INPUT: encoded}
        sources = self.sources
        for node in self.nodes:
            values[node.name] = node.run(*(values[name] for name in sources[node.name]))
        return values

    def accumulators(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → what the output table is looked up with (N, K)."""
        return self.accumulators_of(self.encode(x))

    def accumulators_of(self, encoded: NDArray[Any]) -> NDArray[np.int64]:
        """Encoded inputs (N, *input.output_shape) → accumulators (N, K), int64."""
        nodes = self.nodes[: len(self.nodes) - len(self.class_nodes)]
        sources = self.sources
        last_reader = {name: node.name for node in nodes for name in sources[node.name]}
        out = np.empty((len(encoded), len(self.output.values)), np.int64)
        widest = max(stream.elements for stream in self.streams().values())
        batch = max(1, _BATCH_ELEMENTS // widest)
        for start in range(0, len(encoded), batch):
            values: dict[str, NDArray[Any]] = {INPUT: encoded[start : start + batch]}
            for node in nodes:
                values[node.name] = node.run(*(values[name] for name in sources[node.name]))
                for name in set(sources[node.name]):
                    if last_reader[name] == node.name:
                        del values[name]
            out[start : start + batch] = values[nodes[-1].name]
        return out

    def results_of(self, encoded: NDArray[Any]) -> NDArray[np.int64]:
        """What the hardware answers to encoded inputs (N, *input.output_shape), int64.

        Accumulators (N, K), or classes (N, k) where there are `class_nodes`.
        """
        values: NDArray[Any] = self.accumulators_of(encoded)
        for node in self.class_nodes:
            values = node.run(values)
        return values

    def classes_of(self, accumulators: NDArray[np.int64]) -> NDArray[np.int64]:
        """Accumulators (N, K) → classes of the largest float outputs, ties to the lowest.

        The shape is (N,), or (N, k) for k > 1, where outputs fall.
        """
        classes = largest_indices(self.output.logits(accumulators), self.output.k)
        return classes[:, 0] if self.output.k == 1 else classes

    def run(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """The network's integer result.

        Args:
            x: (N, *input.input_shape), what the original graph takes, any real dtype.

        Returns:
            Accumulators (N, K), or classes where the original graph ends in top-k: (N,) for k = 1,
            else (N, k), the first one first; int64.

        Raises:
            DataError: wrong shape, not numbers, NaN, or nothing that the network's files become.
        """
        return self.run_on(self.encode(x))

    def run_on(self, encoded: NDArray[Any]) -> NDArray[np.int64]:
        """`run` of encoded inputs (N, *input.output_shape)."""
        accumulators = self.accumulators_of(encoded)
        return self.classes_of(accumulators) if self.output.classes else accumulators

    def logits(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Inputs (N, *input.input_shape) → the original graph's float outputs (N, K), float32."""
        return self.output.logits(self.accumulators(x))

    def classify(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → classes (N,), the first ones if there are several."""
        classes = self.classes_of(self.accumulators(x))
        return classes if self.output.k == 1 else classes[:, 0]

    def summary(self, kernels: Mapping[str, KernelSize] | None = None) -> Summary:
        """A line a node: what it gives, weights, multiplications; `print` it, or show it.

        Args:
            kernels: `facts.kernels` of hardware that was written for it, whose cycles and lookup
                tables are then told, too.
        """
        return summarise(self, kernels)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    @checked
    def save(self, folder: Path) -> None:
        """Write `dataflow.json` and `weights.npz` into an existing folder, byte for byte stable."""
        self.verify()
        record, arrays = to_record(**vars(self))
        _save_arrays(folder / WEIGHTS_FILE, arrays)
        record["weights_sha256"] = _sha256(folder / WEIGHTS_FILE)
        (folder / GRAPH_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    @classmethod
    @checked
    def load(cls, folder: Path | str) -> "Dataflow":
        """Read and verify a folder written by `save`.

        Raises:
            DataflowError: missing, truncated, altered or newer files, or an inconsistent graph.
        """
        folder = Path(folder)
        graph = _load_graph(folder / GRAPH_FILE)
        weights = folder / WEIGHTS_FILE
        try:
            if graph.get("weights_sha256") != _sha256(weights):
                raise DataflowError(
                    f"{weights} is truncated or was altered (its sha256 differs)",
                    remedy="run bnnedge lower again",
                )
            with open_npz(weights, most_bytes=MOST_BYTES) as arrays:
                dataflow = cls(**from_record(graph, arrays, GRAPH_FILE))
        except (ArrayError, ConfigError, OSError) as error:
            raise DataflowError(
                f"{folder} does not hold a whole Dataflow ({error})",
                remedy="run bnnedge lower again",
            ) from error
        dataflow.verify()
        return dataflow


def _sha256(path: Path) -> str:
    with open_file(path, raises=ArrayError) as source:
        if os.fstat(source.fileno()).st_size > 2 * MOST_BYTES:
            raise ArrayError(f"{path} is larger than {MOST_BYTES >> 19} MiB")
        return hashlib.file_digest(source, "sha256").hexdigest()


def _save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """`np.savez_compressed` without its time stamps, so that equal graphs are equal files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as sink:
                np.lib.format.write_array(sink, np.asarray(array), allow_pickle=False)


def _load_graph(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise DataflowError(
            f"{path.parent} is not a Dataflow folder: it has no {path.name}",
            remedy="give the folder that `bnnedge lower` wrote",
        )
    try:
        graph = load_json(path)
    except ConfigError as error:
        raise DataflowError(
            f"{path} is not a readable Dataflow ({error})", remedy="run bnnedge lower again"
        ) from error
    found = graph.get("format") if isinstance(graph, dict) else type(graph).__name__
    if found != FORMAT:
        raise DataflowError(
            f"{path} is not a readable Dataflow: wanted format {FORMAT!r}, got {found!r:.40}",
            remedy="give the folder that `bnnedge lower` wrote",
        )
    version = graph.get("version")
    if type(version) is not int or not OLDEST_VERSION <= version <= FORMAT_VERSION:
        raise DataflowError(
            f"{path} has format version {version!r:.20}, this bnnedge reads {OLDEST_VERSION} to"
            f" {FORMAT_VERSION}",
            remedy="upgrade bnnedge, or run bnnedge lower again",
        )
    return dict(graph)
