"""The tables of the page, each under every selection rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmarks.records.evidence import NO_RECORD, NOT_RUN
from benchmarks.records.selection import RULES
from benchmarks.report.tables.paper import short_name
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import Style, interval, notes, ours, papers, warnings

HTML = Style(
    escape=escape,
    bold=lambda text: Markup("<b>{}</b>").format(text),
    footnote=lambda number: Markup("<sup>{}</sup>").format(number),
    interval=False,  # it has a line of its own
)


@dataclass(frozen=True)
class Reading:
    """What a place of a table says under one selection rule; `value` sorts it, empty for none."""

    rule: str
    value: str
    text: Markup
    interval: str
    verdict: str


@dataclass(frozen=True)
class Place:
    """A number of a table: ours, then the paper's, both under every rule. `cell` names its runs."""

    cell: str
    ours: tuple[Reading, ...]
    papers: tuple[Reading, ...]


@dataclass(frozen=True)
class Block:
    """The part of a table for one dataset: places row by row."""

    label: str
    outputs: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Place | None, ...]], ...]


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it; `remarks` has warnings and notes by rule."""

    name: str
    title: str
    blocks: tuple[Block, ...]
    footnotes: tuple[tuple[int, str], ...]
    remarks: tuple[tuple[str, list[str], list[str]], ...]


def table_view(table: Table) -> TableView:
    """The view of a table that was made under `table.selection`."""
    readings = rules_of(table)
    return TableView(
        table.name,
        table.title,
        tuple(_block(readings, dataset) for dataset in table.datasets),
        tuple((number, reason) for reason, number in table.footnotes.items()),
        tuple((t.selection, warnings(t), _remarks(t, table)) for t in readings),
    )


def rules_of(table: Table) -> list[Table]:
    """The table under every selection rule; tests of differences are those of its own rule."""
    return [table if rule == table.selection else table.under(rule) for rule in RULES]


def verdict_matrix(tables: Sequence[Table]) -> tuple[list[str], list[tuple[str, Counter[str]]]]:
    """The verdicts that occur, most frequent first, and their number by table and dataset."""
    lines = [
        (
            f"{table.title}, {table.config.datasets[dataset].label}",
            Counter(e.verdict for e in table.entries if e.cell.dataset == dataset),
        )
        for table in tables
        for dataset in table.datasets
    ]
    total: Counter[str] = sum((counts for _, counts in lines), Counter())
    return [verdict for verdict, _ in total.most_common()], lines


def _remarks(table: Table, reported: Table) -> list[str]:
    best = [f"Bold: best of {table.contest}."] * any(map(table.has_best, table.datasets))
    return [*notes(table), *_untested(table, reported), *best]


def _untested(table: Table, reported: Table) -> list[str]:
    if table is reported or not reported.tested:
        return []
    return [f"Differences were tested under {reported.selection} only, so there are no arrows."]


def _block(tables: Sequence[Table], dataset: str) -> Block:
    first = tables[0]
    columns = first.columns(dataset)
    return Block(
        first.config.datasets[dataset].label,
        tuple(map(short_name, columns)),
        tuple(
            (row, tuple(_place(tables, row, column) for column in columns))
            for row in first.rows(dataset)
        ),
    )


def _place(tables: Sequence[Table], row: str, column: str) -> Place | None:
    entry = tables[0].at(row, column)
    if entry is None:
        return None
    cell = "" if entry.state in (NOT_RUN, NO_RECORD) else entry.cell.template.cell_id
    pairs = [(table, table.at(row, column)) for table in tables]
    return Place(
        cell,
        tuple(
            Reading(
                table.selection,
                _value(e.mean),
                Markup(ours(table, row, column, HTML)),
                interval(table, row, column),
                e.verdict,
            )
            for table, e in pairs
        ),
        tuple(
            Reading(
                table.selection,
                _value(e.paper),
                Markup(papers(table, row, column, HTML)),
                "",
                e.verdict,
            )
            for table, e in pairs
        ),
    )


def _value(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.4f}"
