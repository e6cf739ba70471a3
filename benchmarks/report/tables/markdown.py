"""A table in Markdown and on the terminal: one block per dataset, ours beside the paper's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from tabulate import tabulate

from benchmarks.report import statistics
from benchmarks.report.tables.paper import MISSING, short_name
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import Style, notes, ours, papers, rank_legend, warnings
from benchmarks.terminal import bold, columns, grid, loud, wrapped
from datasets.errors import counted


@dataclass(frozen=True)
class Page:
    """What differs between the two formats besides the cells."""

    style: Style
    grid: Callable[[Sequence[str], Sequence[Sequence[str]]], str]  # of headers and rows
    best: str  # what marks the first rank of a column
    brief: bool  # a dataset without any number takes one line
    warning: Callable[[str], str]
    heading: Callable[[str, int], str]
    item: Callable[[str], str]


def _pipes(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def _grids(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The columns side by side, or below each other where the terminal is too narrow."""
    parts = []
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for chosen in _fitting(widths, together=2 if "paper" in headers else 1):
        names, *lines = ([line[i] for i in chosen] for line in (headers, *rows))
        lines = [line for line in lines if set(line[1:]) != {MISSING}]
        parts.append(grid(names, lines, "l" + "r" * (len(chosen) - 1)))
    return "\n\n".join(parts)


def _fitting(widths: Sequence[int], together: int) -> Iterator[list[int]]:
    """Groups of columns that fit the terminal, each with the first column. So many columns stay
    `together`: ours and the paper's."""
    gap, room = 2, columns()
    chosen = [0]
    for left in range(1, len(widths), together):
        added = list(range(left, left + together))
        if len(chosen) > 1 and sum(widths[i] + gap for i in chosen + added) - gap > room:
            yield chosen
            chosen = [0]
        chosen = chosen + added
    yield chosen


MARKDOWN = Page(
    Style(
        escape=lambda text: re.sub(r"([\\|*_<`\[])", r"\\\1", text),
        bold=lambda text: f"**{text}**",
        footnote=lambda number: f" \\[{number}]",
    ),
    grid=_pipes,
    best="Bold",
    brief=False,
    warning=lambda text: f"> **{text}**",
    heading=lambda text, level: f"{'#' * level} {text}",
    item=lambda text: f"- {text}",
)
TERMINAL = Page(
    Style(
        escape=lambda text: text,
        bold=lambda text: f"{text}*",
        footnote=lambda number: f" [{number}]",
        interval=False,
    ),
    grid=_grids,
    best="*",
    brief=True,
    warning=lambda text: loud(wrapped(f"!!! {text}")),
    heading=lambda text, level: bold(f"{text}\n{'=-'[level - 1] * len(text)}"),
    item=partial(wrapped, indent="  ", further="    "),
)


def render(table: Table, page: Page) -> str:
    """The whole table; a warning, if there is one, is its first line."""
    escape = page.style.escape
    parts = [page.warning(escape(text)) for text in warnings(table)]
    parts.append(page.heading(escape(table.title), 1))
    parts += [_block(table, dataset, page) for dataset in table.datasets]
    parts += [] if page.brief else _oracle_section(table, page)
    parts.append("\n".join(page.item(line) for line in _below(table, page)))
    return "\n\n".join(parts) + "\n"


def _block(table: Table, dataset: str, page: Page) -> str:
    escape = page.style.escape
    names = table.columns(dataset)
    if dataset not in _shown(table, page):
        return wrapped(f"{table.config.datasets[dataset].label}: {gaps(table, dataset)}")
    parts = (ours, papers) if table.printed else (ours,)
    lines = [
        [escape(row), *(cell(table, row, column, page.style) for column in names for cell in parts)]
        for row in table.rows(dataset)
    ]
    headers = ["method"]
    for column in names:
        headers += [short_name(column), "paper"][: len(parts)]
    heading = page.heading(escape(table.config.datasets[dataset].label), 2)
    return f"{heading}\n\n{page.grid(headers, lines)}"


def gaps(table: Table, dataset: str) -> str:
    """Why a dataset has no numbers: `not run: data missing (3 rows)`."""
    entries = [e for e in table.entries if e.cell.dataset == dataset]
    reasons = {e.row: f"{e.state}: {e.reason}" if e.reason else e.state for e in entries}
    counts = Counter(reasons.values())
    return "; ".join(f"{reason} ({counted(n, 'row')})" for reason, n in counts.items())


def _shown(table: Table, page: Page) -> list[str]:
    """The datasets with a block of numbers, and not just one line."""
    measured = {e.cell.dataset for e in table.entries if e.measured}
    return [name for name in table.datasets if name in measured or not page.brief]


def _below(table: Table, page: Page) -> list[str]:
    """The footnotes, then how to read the numbers."""
    style, shown = page.style, _shown(table, page)
    present = {e.reason for e in table.entries if e.cell.dataset in shown}
    reasons = [
        f"{style.footnote(number).strip()} {style.escape(reason)}"
        for reason, number in table.footnotes.items()
        if reason in present
    ]
    legend = rank_legend(table, page.best)
    return [*reasons, *(style.escape(text) for text in notes(table, style.interval)), *legend]


def _oracle_section(table: Table, page: Page) -> list[str]:
    """What choosing on the test set would have gained, as a Markdown table; empty without runs."""
    fused = [c for d in table.datasets for c in table.columns(d) if c.endswith(":acc_mm")]
    gains = {row: [_gain(table, row, c) for c in fused] for row in table.rows()}
    lines = [[page.style.escape(row), *found] for row, found in gains.items() if any(found)]
    if not lines:
        return []
    headers = ["method", *(table.config.datasets[c.partition(":")[0]].label for c in fused)]
    about = (
        "Points of fused accuracy, mean over the runs: the test-oracle epoch minus the val-best "
        "epoch of the same runs. `selection.csv` has every metric and rule."
    )
    heading = page.heading("What choosing on the test set would have gained", 2)
    return [heading, about, page.grid(headers, lines)]


def _gain(table: Table, row: str, column: str) -> str:
    entry = table.at(row, column)
    return f"{statistics.mean(entry.oracle_gains):+.2f}" if entry and entry.measured else ""
