"""One self-contained HTML page about a build: what it is, how it performs, what was checked."""

from bnnedge.reports.data import ReportData
from bnnedge.reports.html import write_report

__all__ = ["ReportData", "write_report"]
