"""The verbs that read records: report, compare, status."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.options import DEFAULT_SELECTION
from benchmarks.cli.session import Say, Session, open_session
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.status import Standing, standings
from benchmarks.studies.sharpness.sharpness_files import Curvature, Surface, readable
from benchmarks.training.checkpoint import trained_seconds
from datasets.errors import counted

if TYPE_CHECKING:
    from benchmarks.report.write import Report

Archive = tuple[list[RunRecord], list[LeftOut]]
NAMED = ("running", "failed", "unsupported", "damaged")  # `status` lists these runs one by one


def report(arguments: Namespace, say: Say) -> int:
    """Writes tables, figures and page from the records at hand; prints the tables."""
    session = open_session(arguments, say)
    archive = session.archive()
    written = _asked_for(arguments, _report(session, arguments.selection, archive))
    _say_tables(session, written, list(written.pages))
    more = _write_page(session, arguments.selection, archive[0], written)
    say("\n  ".join(["Written:", *map(str, [*written.files, *more])]))
    return 0


def write_tables(session: Session, shown: Sequence[str], selection: str) -> None:
    """Writes every table, so that `comparison.csv` is complete, and prints those in `shown`."""
    written = _report(session, selection, session.archive())
    _say_tables(session, written, [suite for suite in shown if suite in written.pages])
    session.say("\n  ".join(["Written:", *map(str, written.files)]))
    chosen = "" if selection == DEFAULT_SELECTION else f" --selection {selection}"
    session.say(f"Figures and page: ./reproduce.sh report {session.words}{chosen}")


def compare(arguments: Namespace, say: Say) -> int:
    """One row per cell; exit status 1 if a cell differs, 2 if cells have too few runs."""
    session = open_session(arguments, say)
    written = _report(session, arguments.selection, session.archive())
    written = _asked_for(arguments, written)
    say(written.comparison)
    _say_left_out(session, written)
    return written.exit_status


def status(arguments: Namespace, say: Say) -> int:
    """How many runs of each table are in which state, and why the others cannot run.

    Of the grids instead under the profile `tune`, whose runs fill no table.
    """
    session = open_session(arguments, say)
    shown = session.grids() if session.profile_name == "tune" else session.tables()
    for suite, cells in shown.items():
        seeds = session.profile.seeds
        planned = [e for cell in cells for e in cell.experiments(seeds)]
        found = standings(planned, session.folders)
        runs = Counter(_kind(standing) for standing in found.values())
        blocked = Counter(cell.reason for cell in cells if cell.reason)
        counts = [f"{n} {state}" for state, n in runs.most_common()]
        say(f"{suite} ({session.profile_name}): {', '.join(counts) or 'nothing to run'}")
        for reason, count in blocked.most_common():
            say(f"  {counted(count, 'cell')} not run: {reason}")
        for run_id, standing in found.items():
            if standing.state in NAMED:
                say(f"  {run_id}  {standing}")
    return 0


def _kind(standing: Standing) -> str:
    """What `status` counts: the state, and for stale and missing runs what changed."""
    return standing.state if standing.state in NAMED else str(standing)


def _report(session: Session, selection: str, archive: Archive) -> Report:
    # scipy takes half a second to import: status and list should not wait for it.
    from benchmarks.report.write import write_report

    records, unreadable = archive
    cells = session.tables(records)
    return write_report(
        session.config,
        session.profile_name,
        cells,
        records,
        session.folders.tables,
        selection,
        session.folders.root / "predictions",
        unreadable,
    )


def _asked_for(arguments: Namespace, written: Report) -> Report:
    from benchmarks.report.write import narrowed

    return narrowed(written, arguments.datasets, arguments.methods)


def _write_page(
    session: Session, selection: str, records: Sequence[RunRecord], written: Report
) -> list[Path]:
    """Writes figures, the cost, the table of sharpness if anything was measured, and the page."""
    from benchmarks.report.compute import compute_line, write_compute
    from benchmarks.report.page.write import Contents, write_page
    from benchmarks.studies.sharpness.sharpness_table import (
        page_tables,
        sharpness_rows,
        write_sharpness,
    )

    config, folders = session.config, session.folders
    measured = sorted((folders.root / "sharpness").glob("*.json"))
    rows = sharpness_rows(config, records, readable(Curvature.load, measured, session.say))
    files = [folders.tables / "compute.csv"]
    trained = trained_seconds(folders.root / "checkpoints")
    cost = compute_line(write_compute(records, trained, files[0]))
    session.say(cost)
    if rows:
        files.append(folders.tables / "sharpness.csv")
        write_sharpness(rows, files[1])
    figures = draw(session, records, selection)
    asked = session.profile_name, selection
    contents = Contents(config, *asked, written, records, figures, page_tables(rows), cost)
    return [*files, *figures.files, write_page(contents, folders.root / "report.html")]


def _say_tables(session: Session, written: Report, shown: Sequence[str]) -> None:
    for suite in shown:
        session.say(written.pages[suite])
    _say_left_out(session, written)


def _say_left_out(session: Session, written: Report) -> None:
    if written.left_out:
        session.say(written.left_out)


if TYPE_CHECKING:
    from benchmarks.report.figures.write import Figures

PROCESSES = min(2, os.cpu_count() or 1)  # each takes as much memory as the verb itself


def figures(arguments: Namespace, say: Say) -> int:
    """Draws every figure from the records at hand and says which have nothing to show, and why."""
    session = open_session(arguments, say)
    written = draw(session, session.records(), arguments.selection)
    for name, reason in written.not_drawn.items():
        say(f"not drawn: {name}: {reason}")
    head = "Written:" if written.files else "Nothing to draw."
    say("\n  ".join([head, *map(str, written.files)]))
    return 0


def draw(session: Session, records: Sequence[RunRecord], selection: str) -> Figures:
    """Writes every figure of these records, loss surfaces included, into the figures' folder."""
    # scipy takes half a second to import: other verbs should not wait for it.
    from benchmarks.report.figures.write import make_figures, write_figures
    from benchmarks.studies.sharpness.surface_figure import surface_figures

    config, root = session.config, session.folders.root
    suites = [name for name, suite in config.suites.items() if suite.source == "paper"]
    cells = {suite: session.cells(suite) for suite in suites}
    surfaces = readable(Surface.load, sorted((root / "landscape").glob("*.csv")), session.say)
    made = make_figures(config, session.profile_name, cells, records, selection)
    made += surface_figures(config, records, surfaces)
    return write_figures(made, root / "figures", PROCESSES)
