"""Where the project stands: `python build_scripts/bench.py`, or one part of it by name."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click
import matplotlib.pyplot as plt
from benchmarks.emulator import emulator
from benchmarks.flow import flow
from benchmarks.measure import Row
from benchmarks.packing import packing
from benchmarks.training import training

_PARTS: Mapping[str, Callable[[int], Iterator[Row]]] = {
    "emulator": emulator,
    "flow": flow,
    "packing": packing,
    "training": training,
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(_PARTS)))
@click.option("--rounds", default=7, show_default=True, help="The median of so many counts.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default="bench", show_default=True)
def main(parts: tuple[str, ...], rounds: int, out: Path) -> None:
    """Measure PARTS (default: all), and write a table and a plot into OUT."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors")
    rows = []
    for part in parts or _PARTS:
        for row in _PARTS[part](rounds):
            print(_line(row), flush=True)
            rows.append(row)
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.md").write_text(_table(rows))
    _plot(rows, out / "bench.png")
    print(f"wrote {out / 'bench.md'} and {out / 'bench.png'}")


def _line(row: Row) -> str:
    ratio = f"{row.ratio:6.2f} x {row.peer}" if row.ratio is not None else ""
    return f"{row.case:38} {row.engine:28} {_figure(row.value):>11} {row.unit:9} {ratio}".rstrip()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(rows: Iterable[Row]) -> str:
    lines = ["| case | engine | figure | ratio |", "|---|---|---|---|"]
    for row in rows:
        ratio = f"{row.ratio:.2f} x {row.peer}" if row.ratio is not None else ""
        lines.append(f"| {row.case} | {row.engine} | {_figure(row.value)} {row.unit} | {ratio} |")
    return "\n".join(lines) + "\n"


def _plot(rows: Iterable[Row], path: Path) -> None:
    """The ratios, as bars."""
    compared = [(row, row.ratio) for row in rows if row.ratio is not None]
    figure, axes = plt.subplots(figsize=(9, 1 + 0.3 * len(compared)), layout="constrained")
    labels = [f"{row.case}: {row.engine} / {row.peer}" for row, _ in compared]
    bars = axes.barh(labels[::-1], [ratio for _, ratio in compared][::-1])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("times as fast")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
