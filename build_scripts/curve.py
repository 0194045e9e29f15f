"""Accuracy against cells: `curve.py TABLE PICTURE`, of what `network_cost.py cores` printed.

Its rows' folders lie beside the `train` folders that they come from. TABLE.md has their accuracies,
too, when it is done; PICTURE is an SVG or a PNG.
"""

import json
import re
import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

_ROW = re.compile(r"\| (?P<rtl>\S+) \| (?P<comb>\d+) \| \d+ \| \d+ \| (?P<mhz>\d+) ")


def main(table: Path, picture: Path) -> None:
    """Draw a point for each row."""
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "curve", "svg.fonttype": "path"}):
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        axis = figure.subplots()
        for row in _ROW.finditer(table.read_text(encoding="utf-8")):
            build = Path(row["rtl"]).parent
            record = json.loads((build / "train" / "artifact.json").read_text(encoding="utf-8"))
            accuracy, comb = 100 * record["facts"]["test_accuracy"], int(row["comb"])
            axis.plot(comb, accuracy, "o")
            label = f"{build.name}\n{accuracy:.2f} %, {row['mhz']} M images/s"
            axis.annotate(label, (comb, accuracy), (0, 6), textcoords="offset points", ha="center")
            print(f"{build.name}: {accuracy:.2f} %, {comb:,} LUT4, {row['mhz']} M images/s")
        axis.set_xscale("log")
        axis.set_xlabel("LUT4 of an ECP5, counting and arg-max included")
        axis.set_ylabel("test accuracy in %")
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.margins(x=0.3, y=0.25)
        figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else {})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
