"""How one cell of a table reads; a style says how it looks in a format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.report.tables.caption import ABOVE, BELOW, DAGGER, MARKS
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import MISSING, printed
from benchmarks.report.tables.table import Table


@dataclass(frozen=True)
class Style:
    """The marks of a format. `escape` takes plain text, the others what it gave."""

    escape: Callable[[str], str]
    bold: Callable[[str], str]
    footnote: Callable[[int], str]
    interval: bool = True  # ours with the 95 % interval of the mean


def ours(table: Table, row: str, column: str, style: Style) -> str:
    """`68.52 ± 0.41 [67.50, 69.54] (3)`, or why there is no number, and footnotes to it."""
    entry = table.at(row, column)
    if entry is None:
        return style.escape(MISSING)
    marked = DAGGER if table.partly_stand_in and entry in table.stand_in else ""
    text = style.escape(_measured(entry, style.interval) + marked)
    if row in table.best(column, lambda e: e.mean):
        text = style.bold(text)
    text += style.escape(_arrow(table, row, column))
    return text + (style.footnote(table.footnotes[entry.reason]) if entry.reason else "")


def papers(table: Table, row: str, column: str, style: Style) -> str:
    """The paper's number behind the mark of the verdict, `..` where it prints none."""
    entry = table.at(row, column)
    if entry is None:
        return style.escape(MISSING)
    text = style.escape(printed(entry.paper))
    if row in table.best(column, lambda e: e.paper):
        text = style.bold(text)
    mark = MARKS.get(entry.verdict)
    return f"{style.escape(mark)} {text}" if mark else text


def interval(table: Table, row: str, column: str) -> str:
    """`[67.50, 69.54]`: the 95 % interval of the mean over seeds; nothing without two runs."""
    entry = table.at(row, column)
    return _interval(entry) if entry else ""


def _measured(entry: Entry, with_interval: bool) -> str:
    if not entry.measured:
        return entry.state
    count = len(entry.values)
    spread = f" ± {entry.sd:.2f}" if count > 1 else ""
    bounds = f" {_interval(entry)}" if with_interval and count > 1 else ""
    return f"{entry.mean:.2f}{spread}{bounds} ({count})"


def _interval(entry: Entry) -> str:
    low, high = entry.interval
    return f"[{low:.2f}, {high:.2f}]" if len(entry.values) > 1 else ""


def _arrow(table: Table, row: str, column: str) -> str:
    found = table.contrasts.get((row, column))
    if found is None or not found.significant:
        return ""
    return f" {BELOW}" if found.difference > 0 else f" {ABOVE}"
