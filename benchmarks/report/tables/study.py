"""Tables beside those of the paper: what every format of them shares, and their Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report import statistics
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.markdown import MARKDOWN
from benchmarks.report.tables.table import Table
from benchmarks.report.wording import is_published


@dataclass(frozen=True)
class Number:
    """A number in the table of a study: `text` is shown, `value` sorts it."""

    value: float
    text: str


@dataclass(frozen=True)
class StudyTable:
    """The table of a study: `about` says how to read it, `file` is its CSV in `tables`.

    A line has one text or number for each of `columns`; the first names the line.
    """

    name: str
    title: str
    about: str
    file: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str | Number, ...], ...]


def study_text(study: StudyTable) -> str:
    """The table in Markdown."""
    escape = MARKDOWN.style.escape
    lines = [[escape(x) if isinstance(x, str) else x.text for x in line] for line in study.lines]
    align = ["left" if isinstance(x, str) else "right" for x in study.lines[0]]
    grid = tabulate(lines, study.columns, "pipe", disable_numparse=True, colalign=align)
    return f"# {escape(study.title)}\n\n{escape(study.about)}\n\n{grid}\n"


def mean_and_sd(values: Sequence[float]) -> tuple[Number, Number]:
    """The mean and the standard deviation over seeds with two decimals; empty without any."""
    return two_decimals(statistics.mean(values)), two_decimals(statistics.sd(values))


def two_decimals(value: float) -> Number:
    """Two decimals; nothing for NaN."""
    return Number(value, "" if math.isnan(value) else f"{value:.2f}")


def count(number: int) -> Number:
    """A whole number."""
    return Number(number, str(number))


def line_label(row: str, stand_in: bool, published: bool) -> str:
    """The label of a line, with what every reader must know of its runs."""
    marks = ["stand-in data"] * stand_in + ["published protocol"] * published
    return f"{row} ({', '.join(marks)})" if marks else row


def one_per_cell(table: Table) -> Iterable[Entry]:
    """An entry of each row and dataset, with its runs; those with doubtful records are left out."""
    return {(e.row, e.cell.dataset): e for e in table.entries if not e.doubts}.values()


def place_of(table: Table, entry: Entry, run: RunRecord) -> dict[str, Any]:
    """What every line of a study's CSV says of its run, and the epoch that the table reports."""
    return {
        "suite": table.name,
        "dataset": entry.cell.dataset,
        "fusion": entry.cell.template.fusion,
        "row": entry.row,
        "seed": run.experiment.seed,
        "selection": table.selection,
        "epoch": choose(table.selection, run.history)["epoch"],
        "run_id": run.run_id,
        "stand_in": run.stand_in,
        "published_protocol": is_published([run]),
    }
