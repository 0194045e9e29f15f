"""A Dataflow at a glance: a line a node, as text and as HTML."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bnnedge.dataflow.nodes import IntegerMvu, LutLayer, XnorMvu

if TYPE_CHECKING:
    from bnnedge.dataflow.graph import Dataflow


class KernelSize(Protocol):
    """What is predicted of a kernel."""

    @property
    def cycles(self) -> int:
        """Of an image."""

    @property
    def combs(self) -> int:
        """LUT4."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A node.

    Attributes:
        layer: its name.
        does: its kind.
        gives: shape and type of what it gives.
        weights: ±1 in its matrix, or entries of its tables, a bit each.
        macs: multiplications of an image.
        cycles: of an image; None: not known.
        combs: LUT4 with what it needs around it; None: not known.
    """

    layer: str
    does: str
    gives: str
    weights: int = 0
    macs: int = 0
    cycles: int | None = None
    combs: int | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A network's nodes; `str()` and notebooks show a table.

    Attributes:
        network: its name.
        rows: in order.
    """

    network: str
    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """All together; cycles are those between two images."""
        known = [row for row in self.rows if row.cycles is not None and row.combs is not None]
        return Row(
            layer="total",
            does="",
            gives="",
            weights=sum(row.weights for row in self.rows),
            macs=sum(row.macs for row in self.rows),
            cycles=max((row.cycles or 0 for row in known), default=None),
            combs=sum(row.combs or 0 for row in known) if known else None,
        )

    def __str__(self) -> str:
        table = list(self._cells())
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if number < 3 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ).rstrip()
            for cells in table
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = (
            "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            for tag, cells in zip(
                ("th", *("td" for _ in self.rows), "th"), self._cells(), strict=True
            )
        )
        rows = "".join(f"<tr>{cells}</tr>" for cells in body)
        caption = f"<caption>{html.escape(self.network)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self) -> Iterator[list[str]]:
        known = self.total.cycles is not None
        yield [*("layer", "node", "gives", "weights", "MACs", "kB"), *["cycles", "LUT4"] * known]
        for row in (*self.rows, self.total):
            sizes = [f"{row.weights:,}", f"{row.macs:,}", f"{row.weights / 8000:,.2f}"]
            yield [
                *(row.layer, row.does, row.gives),
                *(sizes if row.weights else ["", "", ""]),
                *([f"{row.cycles:,}", f"{row.combs:,}"] if row.cycles is not None else []),
            ]


def summarise(dataflow: "Dataflow", kernels: Mapping[str, KernelSize] | None = None) -> Summary:
    """See `Dataflow.summary`."""
    streams = dataflow.streams()
    rows = []
    for index, node in enumerate(dataflow.nodes):
        stream = streams[node.name]
        matrix = node.weights.size if isinstance(node, XnorMvu | IntegerMvu) else 0
        tables = node.tables.size if isinstance(node, LutLayer) else 0
        own = [
            kernel for name, kernel in (kernels or {}).items() if name.startswith(f"{index}_")
        ]  # a kernel's name begins with its node's number
        rows.append(
            Row(
                layer=node.name,
                does=type(node).__name__,
                gives=str(stream),
                weights=matrix + tables,
                macs=matrix * stream.pixels,
                cycles=None if kernels is None else max((each.cycles for each in own), default=0),
                combs=None if kernels is None else sum(each.combs for each in own),
            )
        )
    return Summary(network=dataflow.name, rows=tuple(rows))
