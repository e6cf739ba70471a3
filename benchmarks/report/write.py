"""The report: tables and verdicts from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.config import lookup
from benchmarks.config_schema import Config
from benchmarks.plan import Cell, make_experiment
from benchmarks.record import RunRecord
from benchmarks.report import paper, text
from benchmarks.report.cells import collect
from benchmarks.report.compare import comparison_text, exit_status, write_comparison
from benchmarks.report.paper import load_paper
from benchmarks.report.table import Table
from benchmarks.report.tables import write_table
from benchmarks.report.verdict import departures, judge

PAPER_PROFILE = "paper"  # the profile that trains as the paper did


@dataclass(frozen=True)
class Report:
    """What a report says. `pages` holds each suite's table as text, `comparison` every entry."""

    pages: Mapping[str, str]
    comparison: str
    exit_status: int
    files: tuple[Path, ...]


def write_report(
    config: Config,
    profile_name: str,
    suites: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    out: Path,
    selection: str = "val-best",
) -> Report:
    """Writes the tables of these suites and `comparison.csv` into `out`.

    `records` may hold any runs: those that belong to no cell are not looked at. ValueError if
    `out` holds the paper's own tables.
    """
    if out.resolve() == paper.FOLDER.resolve():
        raise ValueError(f"{out} holds the paper's tables as printed; write ours elsewhere")
    tables = [
        make_table(config, profile_name, name, cells, records, selection)
        for name, cells in suites.items()
    ]
    files = [path for table in tables for path in write_table(table, out)]
    files.append(write_comparison(tables, out))
    return Report(
        pages={table.name: text.render(table, text.TERMINAL) for table in tables},
        comparison=comparison_text(tables),
        exit_status=exit_status(tables),
        files=tuple(files),
    )


def make_table(
    config: Config,
    profile_name: str,
    suite: str,
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    selection: str,
) -> Table:
    """The judged entries of one suite."""
    lookup("suite", suite, config.suites)
    entries = collect(cells, records, selection, config.datasets, load_paper(suite))
    strayed = {id(cell): _departures(config, cell) for cell in cells}
    judged = [replace(e, verdict=judge(e, bool(strayed[id(e.cell)]))) for e in entries]
    real = [e for e in judged if e.measured and not e.stand_in]
    details = dict.fromkeys(text for e in real for text in strayed[id(e.cell)])
    return Table(suite, config, profile_name, selection, judged, tuple(details))


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
    )
    return departures(ours, papers)
