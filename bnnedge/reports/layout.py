"""A graph in rows: every node below what it reads, the longest path straight down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Rows from the top, columns from the left, both from 0.

    Attributes:
        rows: by the names of nodes.
        columns: likewise; column 0 has a node in every row.
        lanes: columns of the edges that pass rows between their ends, by target and the number of
            its input; no node and no other edge is in those places.
    """

    rows: Mapping[str, int]
    columns: Mapping[str, int]
    lanes: Mapping[tuple[str, int], int]


def lay_out(sources: Mapping[str, Sequence[str]]) -> Layout:
    """Place nodes, which are given in an order in which each comes behind what it reads.

    A node is one row below the lowest that it reads. It stays in that one's column, where nodes of
    the longest path come first, else it takes the next free one; then edges do, short ones first.
    """
    rows: dict[str, int] = {}
    for name, operands in sources.items():
        rows[name] = 1 + max((rows[operand] for operand in operands), default=-1)
    slack = _slack(sources, rows)
    columns: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()

    def wanted(name: str) -> int:
        return min((columns[operand] for operand in sources[name]), default=0)

    for row in range(max(rows.values()) + 1):
        members = [name for name in sources if rows[name] == row]
        for name in sorted(members, key=lambda name: (slack[name], wanted(name))):
            columns[name] = next(c for c in count(wanted(name)) if (row, c) not in taken)
            taken.add((row, columns[name]))

    lanes: dict[tuple[str, int], int] = {}
    long = [
        (range(rows[operand] + 1, rows[name]), columns[operand], (name, number))
        for name, operands in sources.items()
        for number, operand in enumerate(operands)
        if rows[name] - rows[operand] > 1
    ]
    for passed, column, edge in sorted(long, key=lambda item: len(item[0])):
        lanes[edge] = next(
            c for c in count(max(1, column)) if all((row, c) not in taken for row in passed)
        )
        taken.update((row, lanes[edge]) for row in passed)
    return Layout(rows=rows, columns=columns, lanes=lanes)


def _slack(sources: Mapping[str, Sequence[str]], rows: Mapping[str, int]) -> Mapping[str, int]:
    """How many rows lower each node could be; 0 on the longest paths."""
    latest = dict.fromkeys(sources, max(rows.values()))
    for name in reversed(list(sources)):
        for operand in sources[name]:
            latest[operand] = min(latest[operand], latest[name] - 1)
    return {name: latest[name] - rows[name] for name in sources}
