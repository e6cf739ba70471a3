"""The verbs on results that are there: report, figures, compare, status, merge."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.session import Say, Session, open_session, seeds_problems
from benchmarks.cli.verbs import DEFAULT_SELECTION
from benchmarks.configs.load import load_config, lookup, refuse
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.records.files import check_writable
from benchmarks.records.folders import Folders
from benchmarks.records.merging import Merge, plan_merge
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.status import Status, statuses
from benchmarks.report.tables.paper import PAPER_PROFILE
from benchmarks.studies.sharpness.sharpness_files import Curvature, Surface, readable
from datasets.errors import counted
from datasets.store.system import listed

if TYPE_CHECKING:
    from benchmarks.report.figures.write import Figures
    from benchmarks.report.write import Report

Archive = tuple[list[RunRecord], list[LeftOut]]
PROCESSES = min(2, os.cpu_count() or 1)  # each takes as much memory as the verb itself
NAMED = ("running", "failed", "unsupported", "damaged")  # `status` lists these runs one by one


def report(arguments: Namespace, say: Say) -> int:
    """Writes tables, figures and page from the recorded runs; prints the tables."""
    refuse(seeds_problems(arguments))
    if arguments.site:
        from benchmarks.report.page.site import check_site

        check_site(arguments.site)
    session = open_session(arguments, say)
    archive = session.archive()
    written = _asked_for(arguments, _report(session, arguments.selection, archive))
    _say_tables(session, written, list(written.pages))
    more = _write_page(session, arguments, archive[0], written)
    say("\n  ".join(["Written:", *map(str, [*written.files, *more])]))
    return 0


def write_tables(session: Session, shown: Sequence[str], selection: str) -> None:
    """Writes every table, so that `comparison.csv` is complete, and prints those in `shown`."""
    written = _report(session, selection, session.archive(), shown)
    _say_tables(session, written, [suite for suite in shown if suite in written.pages])
    session.say("\n  ".join(["Written:", *map(str, written.files)]))
    chosen = "" if selection == DEFAULT_SELECTION else f" --selection {selection}"
    session.say(f"Figures and page: ./reproduce.sh report {session.words}{chosen}")


def compare(arguments: Namespace, say: Say) -> int:
    """One row per cell; exit status 1 if a cell differs, 2 if cells have too few runs."""
    refuse(seeds_problems(arguments))
    session = open_session(arguments, say)
    written = _report(session, arguments.selection, session.archive())
    written = _asked_for(arguments, written)
    say(written.comparison)
    _say_left_out(session, written)
    return written.exit_status


def status(arguments: Namespace, say: Say) -> int:
    """How many runs of each table are in which state, and why the others cannot run.

    The profile `tune` shows the grids instead, as its runs fill no table.
    """
    session = open_session(arguments, say)
    if session.profile_name == "tune":
        shown = session.grids()
    else:
        shown = {suite: session.cells(suite) for suite in session.config.suites}
    named: set[str] = set()  # a run that several tables share is named below the first
    for suite, cells in shown.items():
        seeds = session.profile.seeds
        planned = [e for cell in cells for e in cell.experiments(seeds)]
        found = statuses(planned, session.folders)
        runs = Counter(_kind(status) for status in found.values())
        blocked = Counter(cell.reason for cell in cells if cell.reason)
        counts = [f"{n} {state}" for state, n in runs.most_common()]
        say(f"{suite} ({session.profile_name}): {', '.join(counts) or 'nothing can run yet'}")
        for reason, count in blocked.most_common():
            say(f"  {counted(count, 'cell')} not run: {reason}")
        for run_id, status in found.items():
            if status.state in NAMED and run_id not in named:
                say(f"  {run_id}  {status}")
                named.add(run_id)
    return 0


def _kind(status: Status) -> str:
    """What `status` counts: the state, and for stale and missing runs what changed."""
    return status.state if status.state in NAMED else str(status)


def _report(
    session: Session, selection: str, archive: Archive, asked: Sequence[str] = ()
) -> Report:
    # scipy takes half a second to import: status and list should not wait for it.
    from benchmarks.records.predictions import Predictions
    from benchmarks.report.write import Request, write_report

    records, unreadable = archive
    cells = session.tables(records, asked)
    request = Request(
        session.config,
        session.profile_name,
        cells,
        records,
        selection=selection,
        predictions=Predictions(session.folders.root / "predictions"),
        unreadable=unreadable,
    )
    return write_report(request, session.folders.tables)


def _asked_for(arguments: Namespace, written: Report) -> Report:
    from benchmarks.report.write import narrowed

    return narrowed(written, arguments.datasets, arguments.methods)


def _write_page(
    session: Session, arguments: Namespace, records: Sequence[RunRecord], written: Report
) -> list[Path]:
    """Writes figures, the cost, the table of sharpness if anything was measured, and the page,
    also as a site if one was asked for."""
    from benchmarks.cli.power import power_lines
    from benchmarks.report.compute import write_compute
    from benchmarks.report.page.site import write_site
    from benchmarks.report.page.write import Contents, write_page
    from benchmarks.studies.sharpness.sharpness_table import (
        page_tables,
        sharpness_rows,
        write_sharpness,
    )

    config, folders = session.config, session.folders
    measured = listed(folders.root / "sharpness", "*.json")
    rows = sharpness_rows(config, records, readable(Curvature.load, measured, session.say))
    files = [folders.tables / "compute.csv"]
    trained, checkpoints = {}, folders.root / "checkpoints"
    if listed(checkpoints, "*.pt"):  # torch takes seconds to import, and few folders have any
        from benchmarks.training.checkpoint import trained_seconds

        trained = trained_seconds(checkpoints)
    cost = write_compute(records, trained, files[0])
    session.say(cost)
    if rows:
        files.append(folders.tables / "sharpness.csv")
        write_sharpness(rows, files[1])
    figures = draw(session, records, arguments.selection)
    asked = session.profile_name, arguments.selection
    power = () if session.profile_name != PAPER_PROFILE else power_lines(_planned(session), records)
    shown = figures, page_tables(rows), cost, power
    contents = Contents(config, *asked, written, records, *shown)
    files += [*figures.files, write_page(contents, folders.root / "report.html")]
    if arguments.site:
        files += write_site(contents, folders.root, arguments.site)
    return files


def _planned(session: Session) -> list[Experiment]:
    """The runs of the paper's tables, also those that cannot run here."""
    suites = [name for name, suite in session.config.suites.items() if suite.source == "paper"]
    cells = [cell for suite in suites for cell in session.cells(suite)]
    return [replace(c.template, seed=s) for c in cells for s in range(session.profile.seeds)]


def _say_tables(session: Session, written: Report, shown: Sequence[str]) -> None:
    for suite in shown:
        session.say(written.pages[suite])
    _say_left_out(session, written)


def _say_left_out(session: Session, written: Report) -> None:
    if written.left_out:
        session.say(written.left_out)


def figures(arguments: Namespace, say: Say) -> int:
    """Draws every figure from the recorded runs; says which have nothing to show, and why."""
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
    surfaces = readable(Surface.load, listed(root / "landscape", "*.csv"), session.say)
    made = make_figures(config, session.profile_name, cells, records, selection)
    made += surface_figures(config, records, surfaces)
    return write_figures(made, root / "figures", PROCESSES)


def merge(arguments: Namespace, say: Say) -> int:
    """Copies what the results folder lacks; exit status 1 if something was damaged and left out.

    ValueError, and nothing copied, for runs with different numbers unless `--keep` says which.
    """
    target = Folders(_root(arguments))
    others = [Folders(_results(folder, target.root)) for folder in arguments.folders]
    planned = plan_merge(target, others, arguments.keep)
    for problem in planned.left_out:
        say(f"left out: {problem}")
    if planned.conflicts:
        raise ValueError(
            f"{counted(len(planned.conflicts), 'run')} with different numbers, nothing was copied; "
            "--keep ours or --keep theirs settles it:\n  " + "\n  ".join(planned.conflicts)
        )
    if not arguments.dry_run:
        check_writable(target.root)
        planned.carry_out()
    say(_summary(planned, arguments.dry_run))
    return 1 if planned.left_out else 0


def _root(arguments: Namespace) -> Path:
    if arguments.out:
        return arguments.out
    config = load_config()
    name = arguments.profile or workspace.default_profile(config)[0]
    lookup("profile", name, config.profiles)
    return workspace.ROOT / "results" / name


def _results(folder: Path, target: Path) -> Path:
    """The folder, checked to be results of another place."""
    if not (folder / "runs").is_dir():
        raise ValueError(
            f"{folder} is not a results folder, such as results/short: it has no folder 'runs'"
        )
    if folder.resolve() == target.resolve():
        raise ValueError(f"{folder} is the folder to merge into; give other folders")
    return folder


def _summary(planned: Merge, only_planned: bool) -> str:
    files = Counter(path.parent.name for _, path in planned.copies)
    would = "would be " if only_planned else ""
    return (
        f"{planned.target.root}: {counted(planned.new, 'run')} {would}added, {planned.replaced} "
        f"replaced, {planned.known} there before; files "
        f"{would}copied: {files['predictions']} of predictions, {files['weights']} of weights; "
        f"{counted(len(planned.left_out), 'file')} left out"
    )
