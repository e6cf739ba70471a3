"""What the choice of the epoch makes of a cell: every selection rule on the same runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.records.files import csv_text, write_text
from benchmarks.records.selection import RULES
from benchmarks.report import statistics
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.table import Table
from benchmarks.report.wording import number


def write_policies(tables: Sequence[Table], out: Path) -> Path:
    """Writes `selection.csv`: each measured entry's mean under every rule, in percent.

    `oracle_gain` is what choosing the epoch on the test data would have added to `val-best`, in
    points, with the t interval over the runs.
    """
    pairs = [(table, e) for table in tables for e in table.entries if e.measured]
    path = out / "selection.csv"
    write_text(path, csv_text([_COLUMNS, *(_line(table, e) for table, e in pairs)]))
    return path


_COLUMNS = (
    "suite", "row", "dataset", "metric", "n", *(rule.replace("-", "_") for rule in RULES),
    "oracle_gain", "ci_low", "ci_high", "stand_in", "published_protocol",
)  # fmt: skip


def _line(table: Table, entry: Entry) -> list[object]:
    means = [statistics.mean(entry.policies[rule]) for rule in RULES]
    gain = statistics.mean(entry.oracle_gains)
    return [
        table.name,
        entry.row,
        entry.cell.dataset,
        entry.metric,
        len(entry.values),
        *map(number, (*means, gain, *statistics.t_interval(entry.oracle_gains))),
        entry.stand_in,
        entry.published_protocol,
    ]
