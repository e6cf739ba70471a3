"""The report: from records to tables and verdicts. Free of torch."""

from benchmarks.report.write import Report, write_report

__all__ = ["Report", "write_report"]
