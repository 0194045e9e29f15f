"""The pictures of a report, as SVG or PNG text that can stand inside HTML."""

import base64
import io
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from bnnedge.findings import Epoch, Example

# matplotlib writes colours as hex; these stand for the page's own, which follow light and dark.
_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--blue)",
    "#050505": "var(--orange)",
    "#060606": "var(--green)",
}
_INK, _MUTED, _LINE, _BLUE, _ORANGE, _GREEN = _COLOURS
_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "bnnedge",  # ids do not change from run to run
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _LINE,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.solid_capstyle": "round",
}


def history_svg(history: tuple[Epoch, ...], selected_epoch: int | None) -> str:
    """Training loss and accuracies over epochs, as one SVG element; two panels at most."""
    # Heavy, and needed by this figure alone.
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    losses = _curve(history, [epoch.train_loss for epoch in history])
    accuracies = [
        ("training", _BLUE, "--", _curve(history, [e.train_accuracy for e in history])),
        ("validation", _ORANGE, "-", _curve(history, [e.validation_accuracy for e in history])),
    ]
    panels = [
        name
        for name, data in (("accuracy", any(a[3][0] for a in accuracies)), ("loss", losses[0]))
        if data
    ]
    if not panels:
        return ""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 2.15 * len(panels) + 0.25), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            axis.grid(axis="y", color=_LINE, linewidth=0.6)
            axis.set_axisbelow(True)
            axis.tick_params(length=0)
            axis.set_title(panel, loc="left", fontsize=9.5, color=_INK)
            curves = accuracies if panel == "accuracy" else [("training", _BLUE, "--", losses)]
            for name, colour, line, (x, y) in curves:
                marker = "o" if len(x) < 3 else None
                if x:
                    axis.plot(x, y, color=colour, linestyle=line, label=name, marker=marker, lw=1.8)
            if panel == "accuracy":
                axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
            if selected_epoch is not None:
                axis.axvline(
                    selected_epoch, color=_GREEN, lw=1.2, ls=":", label=f"kept: {selected_epoch}"
                )
        legend = axes[0].legend(frameon=False, fontsize=8.5, loc="lower right")
        for text in legend.get_texts():
            text.set_color(_INK)
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        buffer = io.StringIO()
        # Neither date nor version: equal data give equal bytes.
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return embed(buffer.getvalue(), name="history", label="accuracy and loss over epochs")


def _curve(history: tuple[Epoch, ...], values: list[float | None]) -> tuple[list[int], list[float]]:
    points = [
        (epoch.epoch, value)
        for epoch, value in zip(history, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    return [x for x, _ in points], [y for _, y in points]


def embed(svg: str, *, name: str, label: str) -> str:
    """A matplotlib SVG document as an element of the page.

    Its prologue and metadata go (they point at addresses), as does its style rule, which would
    reach the whole page; ids get a prefix, colours become the page's.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r"#([\w-]+)", svg))
    svg = re.sub(r'\sid="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    svg = re.sub(r"font-family:[^;\"]*|(font: [\d.]+px) [^;\"]*", r"\1", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}" class="plot"', 1).strip()


def png_uri(example: Example) -> str:
    """The picture as a data URI: 8-bit grey PNG."""
    rows = (
        b"\0" + example.pixels[y * example.width : (y + 1) * example.width]
        for y in range(example.height)
    )
    header = struct.pack(">IIBBBBB", example.width, example.height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(b"".join(rows), 9)),
            (b"IEND", b""),
        )
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


@dataclass(frozen=True, kw_only=True)
class FoldPicture:
    """A weight matrix with the tile that is computed in one cycle, in SVG user units.

    Sides grow with the square root of rows and columns, so that 10 and 1024 fit one scale.
    """

    width: float
    height: float
    tile_width: float
    tile_height: float
    column_lines: tuple[float, ...]
    row_lines: tuple[float, ...]


def fold_picture(
    *, rows: int, columns: int, pe: int, simd: int, largest: int, size: float
) -> FoldPicture:
    """Draw `rows` × `columns` cut into tiles of `pe` × `simd`; side `largest` takes `size`."""
    unit = size / math.sqrt(largest)
    width, height = unit * math.sqrt(columns), unit * math.sqrt(rows)
    return FoldPicture(
        width=round(width, 2),
        height=round(height, 2),
        tile_width=round(max(1.5, width * simd / columns), 2),
        tile_height=round(max(1.5, height * pe / rows), 2),
        column_lines=tuple(_lines(width, columns / simd)),
        row_lines=tuple(_lines(height, rows / pe)),
    )


def _lines(length: float, tiles: float) -> Iterator[float]:
    """Where tiles meet, unless they are too narrow to be told apart."""
    pitch = length / tiles
    if pitch >= 2.2:
        yield from (round(pitch * i, 2) for i in range(1, math.ceil(tiles - 1e-9)))
