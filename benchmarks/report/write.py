"""The report: tables, verdicts, claims and tests from records and stored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.config import lookup
from benchmarks.config_schema import Config
from benchmarks.plan import Cell, make_experiment
from benchmarks.record import LeftOut, RunRecord
from benchmarks.report import paper, text
from benchmarks.report.cells import collect
from benchmarks.report.claims import Answer, answers
from benchmarks.report.claims_text import claims_grid, write_claims
from benchmarks.report.compare import comparison_text, exit_status, write_comparison
from benchmarks.report.contrast import contrast
from benchmarks.report.paper import load_paper
from benchmarks.report.policies import write_policies
from benchmarks.report.predictions import Predictions
from benchmarks.report.provenance import left_out_text, unused, write_left_out, write_runs
from benchmarks.report.significance import contrasts, write_significance
from benchmarks.report.table import Table
from benchmarks.report.tables import write_table
from benchmarks.report.verdict import departures, judge

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
        pages={table.name: text.render(table, text.TERMINAL) for table in tables},
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
