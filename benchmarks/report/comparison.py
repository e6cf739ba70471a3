"""All entries of all tables against the paper: a file, a text, an exit status."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from benchmarks.records.evidence import NO_RECORD, NOT_RUN
from benchmarks.records.files import csv_text, write_text
from benchmarks.report import statistics
from benchmarks.report.tables.caption import verdict_counts, warnings
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import printed
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.verdict import (
    DIFFERS,
    MARGIN,
    NO_PAPER_VALUE,
    REPRODUCED,
    WITHIN_NOISE,
)
from benchmarks.report.wording import number, p_value
from datasets.errors import counted

COMPARED = {REPRODUCED, WITHIN_NOISE, DIFFERS}
REASON_WIDTH = 48  # on the terminal; the file has all of it


def write_comparison(tables: Sequence[Table], out: Path) -> Path:
    """Writes `comparison.csv`, one line per entry; percent, empty where there is no number."""
    lines = [_line(table, entry) for table in tables for entry in table.entries]
    path = out / "comparison.csv"
    write_text(path, csv_text([_COLUMNS, *lines]))
    return path


def comparison_text(tables: Sequence[Table]) -> str:
    """One row per entry with runs for the terminal, warnings before, the rest in sum behind."""
    loud = dict.fromkeys(f"!!! {text}" for table in tables for text in warnings(table))
    headers = ["table", "method", "column", "n", "ours", "paper", "difference", "verdict", "why"]
    pairs = [(table, entry) for table in tables for entry in table.entries]
    rows = [_short(table, e) for table, e in pairs if e.state not in (NOT_RUN, NO_RECORD)]
    idle = Counter(e.reason or e.state for _, e in pairs if e.state in (NOT_RUN, NO_RECORD))
    left_out = [f"{counted(n, 'cell')} not run: {reason}" for reason, n in idle.most_common()]
    align = ["left"] * 3 + ["right"] * 4 + ["left"] * 2
    grid = (
        tabulate(rows, headers, disable_numparse=True, colalign=align) if rows else "no records yet"
    )
    nothing = ["Nothing was compared with the paper."] * (not _compared(tables))
    summary = "\n".join([*left_out, *nothing, f"Verdicts: {verdict_counts(tables)}."])
    return "\n\n".join([*loud, grid, summary])


def exit_status(tables: Sequence[Table]) -> int:
    """1 if an entry differs; else 2 if one that the paper prints is undecided; else 0.

    Undecided are too few runs, not run, mixed data, another schedule and stand-in data: nothing
    reproduces silently. Where nothing was compared at all, 2 as well.
    """
    verdicts = {entry.verdict for table in tables for entry in table.entries}
    if DIFFERS in verdicts:
        return 1
    return 2 if verdicts - COMPARED - {NO_PAPER_VALUE} or not _compared(tables) else 0


def _compared(tables: Sequence[Table]) -> bool:
    return any(entry.verdict in COMPARED for table in tables for entry in table.entries)


_COLUMNS = (
    "suite", "row", "dataset", "metric", "n", "mean", "sd", "ci_low", "ci_high", "paper",
    "difference", "verdict", "state", "reason", "profile", "selection", "stand_in", "seeds",
    "run_ids", "test_samples", "wilson_low", "wilson_high", "equivalence_p", "oracle_gain",
    "published_protocol",
)  # fmt: skip


def _line(table: Table, entry: Entry) -> list[object]:
    low, high = entry.interval
    numbers = (entry.mean, entry.sd, low, high, entry.paper, entry.difference)
    return [
        table.name,
        entry.row,
        entry.cell.dataset,
        entry.metric,
        len(entry.values),
        *map(number, numbers),
        entry.verdict,
        entry.state,
        entry.reason,
        table.profile_name,
        table.selection,
        entry.stand_in,
        " ".join(map(str, entry.seeds)),
        " ".join(run.run_id for run in entry.runs),
        entry.test_samples or "",
        *map(number, entry.test_interval),
        p_value(_equivalence(entry)),
        number(statistics.mean(entry.oracle_gains)),
        entry.published_protocol,
    ]


def _equivalence(entry: Entry) -> float:
    """p of the two one-sided tests that our mean is the paper's value up to the margin."""
    if entry.stand_in or math.isnan(entry.paper):
        return math.nan
    return statistics.equivalence(entry.values, entry.paper, MARGIN)


def _short(table: Table, entry: Entry) -> list[str]:
    spread = f" ± {entry.sd:.2f}" if len(entry.values) > 1 else ""
    difference = "" if math.isnan(entry.difference) else f"{entry.difference:+.2f}"
    reason = entry.reason or (entry.state if not entry.measured else "")
    if len(reason) > REASON_WIDTH:
        reason = reason[: REASON_WIDTH - 1] + "…"
    return [
        table.name,
        entry.row,
        entry.column,
        str(len(entry.values)),
        f"{entry.mean:.2f}{spread}" if entry.measured else "",
        printed(entry.paper),
        difference,
        entry.verdict,
        reason,
    ]
