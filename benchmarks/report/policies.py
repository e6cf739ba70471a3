"""What the choice of the epoch makes of a cell: every selection rule on the same runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks import statistics
from benchmarks.files import write_text
from benchmarks.report.entry import Entry
from benchmarks.report.table import Table
from benchmarks.report.tables import csv_text, number
from benchmarks.selection import RULES


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


def oracle_section(
    table: Table, heading: Callable[[str, int], str], escape: Callable[[str], str]
) -> list[str]:
    """What choosing on the test set would have gained, as a Markdown table; empty without runs."""
    columns = [c for d in table.datasets for c in table.columns(d) if c.endswith(":acc_mm")]
    lines = [[escape(row), *(_gain(table, row, c) for c in columns)] for row in table.rows()]
    lines = [line for line in lines if any(line[1:])]
    if not lines:
        return []
    headers = ["method", *(table.config.datasets[c.partition(":")[0]].label for c in columns)]
    about = (
        "Points of fused accuracy, mean over the runs: the test-oracle epoch minus the val-best "
        "epoch of the same runs. `selection.csv` has every metric and rule."
    )
    align = ["left"] + ["right"] * len(columns)
    grid = tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align)
    return [heading("What choosing on the test set would have gained", 2), about, grid]


def _gain(table: Table, row: str, column: str) -> str:
    entry = table.at(row, column)
    return f"{statistics.mean(entry.oracle_gains):+.2f}" if entry and entry.measured else ""
