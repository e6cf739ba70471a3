"""The part of a report that somebody asked to see; its files hold everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.config import lookup
from benchmarks.plan import chosen
from benchmarks.report import text
from benchmarks.report.compare import comparison_text, exit_status
from benchmarks.report.table import Table
from benchmarks.report.write import Report


def narrowed(report: Report, datasets: Sequence[str], methods: Sequence[str]) -> Report:
    """The report with texts and exit status of these datasets and methods only; empty means all.

    The paper's claims, which are about whole tables, are left out then. ValueError for an unknown
    word, and if no table has such a row.
    """
    if not (datasets or methods):
        return report
    tables = [
        found for table in report.tables if (found := _part(table, datasets, methods)).entries
    ]
    if not tables:
        raise ValueError(f"no row of a table has {' '.join((*datasets, *methods))}")
    return replace(
        report,
        pages={table.name: text.render(table, text.TERMINAL) for table in tables},
        comparison=comparison_text(tables),
        exit_status=exit_status(tables),
    )


def _part(table: Table, datasets: Sequence[str], methods: Sequence[str]) -> Table:
    for name in datasets:
        lookup("dataset", name, table.config.datasets)
    for name in methods:
        lookup("method", name, table.config.methods)
    wanted = [e for e in table.entries if chosen([e.cell], tuple(datasets), tuple(methods))]
    return replace(table, entries=wanted)
