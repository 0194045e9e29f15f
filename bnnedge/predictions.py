"""Which classes a Dataflow gives to files: in memory, and as a table."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.artifacts import check_input
from bnnedge.dataflow import Dataflow
from bnnedge.filekinds import CLASSES
from bnnedge.names import printable
from bnnedge.outputs import check_output_file, write_whole

_FORMULAS = ("=", "+", "-", "@")  # which a spreadsheet would compute


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Classes of inputs.

    Attributes:
        inputs: names of the files, or numbers of the rows.
        classes: int64 (N,).
        class_names: by class; empty where they are only numbered.
    """

    inputs: tuple[str, ...]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each input's class; its number where classes have no names."""
        return tuple(
            self.class_names[label] if self.class_names else str(label) for label in self.classes
        )

    def table(self) -> str:
        """CSV with the columns input, class and name."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["input", "class", "name"])
        rows = zip(self.inputs, self.classes.tolist(), self.names, strict=True)
        writer.writerows((_cell(given), label, _cell(name)) for given, label, name in rows)
        return text.getvalue()


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula, and no reader for a line of its own."""
    return printable(f"'{text}" if text.startswith(_FORMULAS) else text)


@checked
def predict(dataflow: Path, inputs: Path, out: Path | None = None) -> Predictions:
    """Run a Dataflow folder on files, which are read as those were that it was trained on.

    Args:
        dataflow: the folder.
        inputs: a file, or a folder of files, of the kind that it was trained on; or an `.npy` of
            (N, *input shape).
        out: CSV to write, with a row for each input; None: none.

    Raises:
        DataError: a file cannot be read, or the Dataflow does not say how files become inputs.
        ArtifactError: something would be lost in `out`.
    """
    from bnnedge.data.inputs import read_inputs
    from bnnedge.emulator import Emulator

    if out is not None:
        check_output_file(out, CLASSES, inputs=(inputs,))
    graph = Dataflow.load(dataflow)
    check_input(dataflow)
    given = read_inputs(inputs, graph.meaning)
    found = Predictions(
        inputs=given.names,
        classes=Emulator(graph).predict(given.values),
        class_names=graph.meaning.class_names,
    )
    if out is not None:
        content = found.table().encode()
        write_whole(out, lambda sink: sink.write(content))
    return found
