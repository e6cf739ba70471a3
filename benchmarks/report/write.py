"""The report: tables, verdicts, claims and tests from records and stored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell, chosen, make_experiment
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.report.claims.answers import Answer, answers
from benchmarks.report.claims.text import claims_grid, write_claims
from benchmarks.report.comparison import comparison_text, exit_status, write_comparison
from benchmarks.report.provenance import left_out_text, unused, write_left_out, write_runs
from benchmarks.report.selection import write_policies
from benchmarks.report.significance import contrasts, write_significance
from benchmarks.report.tables import markdown, paper
from benchmarks.report.tables.cells import collect
from benchmarks.report.tables.contrast import contrast
from benchmarks.report.tables.paper import load_paper
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.verdict import departures, judge
from benchmarks.report.tables.write import write_table

PAPER_PROFILE = "paper"  # the profile that trains as the paper did


@dataclass(frozen=True)
class Report:
    """What a report says. `pages` holds each suite's table as text, `comparison` every entry.

    `tables` and `claims` are what the files were written from; `unused` are the records that no
    table uses, `left_out` says so in sum (empty if there are none).
    """

    pages: Mapping[str, str]
    comparison: str
    exit_status: int
    files: tuple[Path, ...]
    tables: tuple[Table, ...] = ()
    claims: tuple[Answer, ...] = ()
    left_out: str = ""
    unused: tuple[LeftOut, ...] = ()


def write_report(
    config: Config,
    profile_name: str,
    suites: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    out: Path,
    selection: str = "val-best",
    predictions: Path | None = None,
    unreadable: Sequence[LeftOut] = (),
) -> Report:
    """Writes the tables of these suites, the comparison, the claims and their sources into `out`.

    `records` may hold any runs: those that fill no cell are named in `left_out.csv`, as are the
    `unreadable` ones. `predictions` is the folder of the runs' predictions; without it nothing is
    tested. ValueError if `out` holds the paper's own tables.
    """
    if out.resolve() == paper.FOLDER.resolve():
        raise ValueError(f"{out} holds the paper's tables as printed; write ours elsewhere")
    stored = Predictions(predictions)
    tables = [
        make_table(config, profile_name, name, cells, records, selection, stored)
        for name, cells in suites.items()
    ]
    compare = partial(contrast, predictions=stored, selection=selection)
    found = answers(tables, compare)
    left_out = [*unreadable, *unused(records, suites)]
    return Report(
        pages={table.name: markdown.render(table, markdown.TERMINAL) for table in tables},
        comparison=f"{comparison_text(tables)}\n\nThe paper's claims\n{claims_grid(found)}",
        exit_status=exit_status(tables),
        files=tuple(_write_files(tables, found, left_out, out)),
        tables=tuple(tables),
        claims=tuple(found),
        left_out=left_out_text(left_out),
        unused=tuple(left_out),
    )


def make_table(
    config: Config,
    profile_name: str,
    suite: str,
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    selection: str,
    predictions: Predictions | None = None,
) -> Table:
    """The judged entries of one suite, tested against each other where predictions are stored."""
    lookup("suite", suite, config.suites)
    entries = collect(cells, records, selection, config.datasets, load_paper(suite))
    strayed = {id(cell): _departures(config, cell) for cell in cells}
    judged = [replace(e, verdict=judge(e, bool(strayed[id(e.cell)]))) for e in entries]
    real = [e for e in judged if e.measured and not e.stand_in]
    details = dict.fromkeys(text for e in real for text in strayed[id(e.cell)])
    tests = contrasts(judged, predictions or Predictions(None), selection)
    return Table(suite, config, profile_name, selection, judged, tuple(details), tests)


def _write_files(
    tables: Sequence[Table], found: Sequence[Answer], left_out: Sequence[LeftOut], out: Path
) -> list[Path]:
    return [
        *(path for table in tables for path in write_table(table, out)),
        write_comparison(tables, out),
        write_significance(tables, out),
        write_policies(tables, out),
        *write_claims(found, out),
        write_runs(tables, out),
        write_left_out(left_out, out),
    ]


def _departures(config: Config, cell: Cell) -> list[str]:
    """Where the cell's training is not what the paper profile would do."""
    ours = cell.template
    papers = make_experiment(
        config,
        lookup("profile", PAPER_PROFILE, config.profiles),
        dataset=ours.dataset,
        fusion=ours.fusion,
        method=ours.method,
        modalities=ours.modalities,
        changes=cell.row.changes,
    )
    return departures(ours, papers)


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
        pages={table.name: markdown.render(table, markdown.TERMINAL) for table in tables},
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
