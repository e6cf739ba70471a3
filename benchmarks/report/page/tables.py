"""The tables of the page, each under every selection rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from benchmarks.records.evidence import NO_RECORD, NOT_RUN
from benchmarks.records.selection import RULES
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.markdown import gaps
from benchmarks.report.tables.paper import short_name
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import (
    VERDICTS,
    Style,
    interval,
    notes,
    ours,
    papers,
    rank_legend,
    warnings,
)
from benchmarks.report.tables.verdict import DIFFERS, INCONCLUSIVE, REPRODUCED

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
    hint: str = ""  # the verdict with what the cell could have shown


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
    gap: str  # why there is no number; empty if there is one
    outputs: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Place | None, ...]], ...]


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it; `remarks` has warnings and notes by rule.

    `printed`: it is one of the paper, whose numbers stand beside ours.
    """

    name: str
    title: str
    printed: bool
    blocks: tuple[Block, ...]
    footnotes: tuple[tuple[int, str], ...]
    remarks: tuple[tuple[str, list[str], list[str]], ...]


def table_view(table: Table) -> TableView:
    """The view of a table that was made under `table.selection`."""
    readings = rules_of(table)
    return TableView(
        table.name,
        table.title,
        table.printed,
        tuple(_block(readings, dataset) for dataset in table.datasets),
        tuple((number, reason) for reason, number in table.footnotes.items()),
        tuple((t.selection, warnings(t), _remarks(t, table)) for t in readings),
    )


def rules_of(table: Table) -> list[Table]:
    """The table under every selection rule; tests of differences are those of its own rule."""
    return [table if rule == table.selection else table.under(rule) for rule in RULES]


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of all tables: those that occur, and their number by table and dataset.

    `idle` names the parts without any run. `answer` is one sentence on the printed numbers.
    """

    names: list[str]
    lines: list[tuple[str, Counter[str]]]
    idle: list[str]
    reproduced: int
    differs: int
    inconclusive: int
    answer: str


def verdicts(tables: Sequence[Table]) -> Verdicts:
    """What reproduces, in numbers."""
    lines, idle = [], []
    for table in tables:
        for dataset in table.datasets:
            label = f"{table.title}, {table.config.datasets[dataset].label}"
            entries = [e for e in table.entries if e.cell.dataset == dataset]
            if any(e.started for e in entries):
                lines.append((label, Counter(e.verdict for e in entries)))
            else:
                idle.append(label)
    total: Counter[str] = sum((counts for _, counts in lines), Counter())
    names = [verdict for verdict in VERDICTS if total[verdict]]
    counts = [total[verdict] for verdict in (REPRODUCED, DIFFERS, INCONCLUSIVE)]
    return Verdicts(names, lines, idle, *counts, answer=_answer(tables, counts))  # type: ignore[arg-type, misc]


def _answer(tables: Sequence[Table], counts: Sequence[int]) -> str:
    """What reproduces, in one sentence."""
    reproduced, differs, inconclusive = counts
    entries = [e for table in tables for e in table.entries if not math.isnan(e.paper)]
    compared = sum(counts)
    if not compared:
        reasons = Counter(e.verdict for e in entries)
        why = ", ".join(f"{reasons[verdict]} {verdict}" for verdict in VERDICTS if reasons[verdict])
        return f"None of the {len(entries)} printed numbers was compared yet: {why or 'no cells'}."
    return (
        f"Of {len(entries)} printed numbers {compared} were compared: {reproduced} reproduced, "
        f"{differs} differ, {inconclusive} are inconclusive."
    )


def _remarks(table: Table, reported: Table) -> list[str]:
    return [*notes(table), *_untested(table, reported), *rank_legend(table, "Bold")]


def _untested(table: Table, reported: Table) -> list[str]:
    if table is reported or not reported.tested:
        return []
    return [f"Differences were tested under {reported.selection} only, so there are no arrows."]


def _block(tables: Sequence[Table], dataset: str) -> Block:
    first = tables[0]
    # The fused number comes first: a phone shows no more.
    columns = sorted(first.columns(dataset), key=lambda column: not column.endswith(":acc_mm"))
    begun = any(e.started for e in first.entries if e.cell.dataset == dataset)
    return Block(
        first.config.datasets[dataset].label,
        "" if begun else gaps(first, dataset),
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
    pairs = [(table, e) for table in tables if (e := table.at(row, column))]
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
                _hint(e),
            )
            for table, e in pairs
        ),
    )


def _hint(entry: Entry) -> str:
    if entry.verdict != INCONCLUSIVE:
        return entry.verdict
    least = f"a difference of {entry.judgement.smallest_difference:.2f} points could have shown"
    return f"{entry.verdict}: {entry.judgement.note or least}"


def _value(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.4f}"
