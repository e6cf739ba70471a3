"""The report as one HTML page. Free of torch."""

from benchmarks.report.page.write import Contents, write_page

__all__ = ["Contents", "write_page"]
