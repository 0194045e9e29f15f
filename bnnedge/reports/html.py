"""`ReportData` → one HTML file that asks for nothing from outside."""

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bnnedge.errors import BnnEdgeError
from bnnedge.findings import Check, ReportData, Verdict
from bnnedge.reports import figures, graph

# XML has no place for these, so neither has a page that is well-formed; the last ones turn text
# around.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff"
    "\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def write_report(data: ReportData, out: Path) -> Path:
    """Write the report to the file `out`, whole or not at all; equal data give equal bytes.

    Returns:
        `out`.

    Raises:
        BnnEdgeError: the file cannot be written.
    """
    page = render(data).encode()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(page)
            Path(name).chmod(0o644)
            Path(name).replace(out)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise BnnEdgeError(f"cannot write {out}: {error.strerror}") from error
    return out


def render(data: ReportData) -> str:
    """The report as HTML that is also well-formed XML, without scripts."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bnnedge.reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "count": count,
        "cycles": cycles,
        "percent": percent,
        "seconds": seconds,
        "bytes": size,
        "png": figures.png_uri,
    }
    environment.tests["passed"] = lambda verdict: verdict is Verdict.PASSED
    environment.tests["failing"] = lambda verdict: verdict is Verdict.FAILED
    history = ""
    if data.accuracy is not None and data.accuracy.history:
        history = figures.history_svg(data.accuracy.history, data.accuracy.selected_epoch)
    template = environment.get_template("report.html.j2")
    return template.render(
        data=data,
        chain=proof_chain(data.checks),
        cycles=cycle_bars(data),
        picture=None if data.pipeline is None else graph.draw(data.pipeline),
        history=Markup(history),  # ours, and holds no text of the user's
    )


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        clean = _UNPRINTABLE.sub("\ufffd", value)
        return Markup(clean) if isinstance(value, Markup) else clean
    return value


def count(value: float) -> str:
    """1234.5 → "1,234.5"; at most three decimals below 100, one above."""
    digits = 3 if abs(value) < 100 else 1
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".")


def cycles(value: float) -> str:
    """1 → "1 cycle", 98.0 → "98 cycles"."""
    return f"{count(value)} cycle{'' if value == 1 else 's'}"


def percent(fraction: float) -> str:
    """0.97135 → "97.14 %"."""
    return f"{100 * fraction:.2f}".rstrip("0").rstrip(".") + " %"


def seconds(value: float) -> str:
    """75.2 → "1 min 15 s"; shorter than a minute keeps three figures."""
    if value >= 60:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest} s"
    return f"{value:.3g} s" if value >= 0.001 else "< 1 ms"


def size(value: int) -> str:
    """Bytes as B, kB or MB."""
    for unit, scale in (("MB", 1_000_000), ("kB", 1_000)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value} B"


@dataclass(frozen=True, kw_only=True)
class ChainLink:
    """One side of the chain of equalities; `verdict` is the worst of what ties it to earlier ones.

    The first side has no verdict.
    """

    side: str
    verdict: Verdict | None


def proof_chain(checks: tuple[Check, ...]) -> tuple[ChainLink, ...]:
    """Every side of every check in the order of appearance, each with what ties it to the rest."""
    sides: dict[str, Verdict | None] = {}
    for check in checks:
        sides.setdefault(check.left, check.verdict if sides else None)
        if check.right not in sides:
            sides[check.right] = check.verdict
        order = list(sides)
        later = max(check.left, check.right, key=order.index)
        if order.index(later):
            sides[later] = _worst(sides[later], check.verdict)
    return tuple(ChainLink(side=side, verdict=verdict) for side, verdict in sides.items())


def _worst(a: Verdict | None, b: Verdict) -> Verdict:
    # One check that ran counts more than one that could not.
    ranks = [Verdict.NOT_RUN, Verdict.PASSED, Verdict.FAILED]
    return b if a is None else max(a, b, key=ranks.index)


@dataclass(frozen=True, kw_only=True)
class CycleBar:
    """One line of "where the cycles go"; shares are of the longest bar."""

    name: str
    detail: str
    predicted: int
    measured: float | None
    share: float
    measured_share: float | None
    bottleneck: bool


def cycle_bars(data: ReportData) -> tuple[CycleBar, ...]:
    """Cycles per image of the streams in and out (where given) and of every layer."""
    pipeline = data.pipeline
    if pipeline is None:
        return ()
    rows: list[tuple[str, str, int, float | None]] = []
    if pipeline.input.beats is not None:
        detail = f"{pipeline.input.width_bits} bits a beat"
        rows.append(("input stream", detail, pipeline.input.beats, None))
    for layer in pipeline.layers:
        detail = layer.kernel
        if layer.pe is not None and layer.simd is not None:
            detail = f"PE {layer.pe} \u00d7 SIMD {layer.simd}"
        rows.append((layer.name, detail, layer.predicted_cycles, layer.measured_cycles))
    if pipeline.output.beats is not None:
        detail = f"{pipeline.output.width_bits} bits a beat"
        rows.append(("output stream", detail, pipeline.output.beats, None))
    slowest = max((predicted for _, _, predicted, _ in rows), default=0)
    longest = max([slowest, 1.0, *(m for *_, m in rows if m is not None)])
    return tuple(
        CycleBar(
            name=name,
            detail=detail,
            predicted=predicted,
            measured=measured,
            share=predicted / longest,
            measured_share=None if measured is None else measured / longest,
            bottleneck=predicted == slowest,
        )
        for name, detail, predicted, measured in rows
    )
