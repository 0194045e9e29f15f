"""One self-contained HTML page about a build: what it is, how it performs, what was checked."""

from bnnedge.reports.html import write_report

__all__ = ["write_report"]
