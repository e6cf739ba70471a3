"""The verbs on results that are there: report, figures, compare, status, merge."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.options import DEFAULT_SELECTION
from benchmarks.cli.session import Say, Session, open_session, seeds_problems
from benchmarks.configs.load import load_config, lookup, refuse
from benchmarks.exit_status import Exit, worst
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import Cell
from benchmarks.records.files import check_writable
from benchmarks.records.folders import Folders
from benchmarks.records.merging import Merge, plan_merge
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.status import Status, recorded_cells, statuses
from benchmarks.report.tables.paper import PAPER_PROFILE
from benchmarks.studies.sharpness.sharpness_files import Curvature, Surface, readable
from benchmarks.terminal import definitions, fitted, grid
from datasets.errors import counted
from datasets.store.system import listed

if TYPE_CHECKING:
    from benchmarks.report.figures.write import Figures
    from benchmarks.report.write import Report, Request

Archive = tuple[list[RunRecord], list[LeftOut]]
PROCESSES = min(2, os.cpu_count() or 1)  # each takes as much memory as the verb itself
NAMED = ("running", "failed", "unsupported", "damaged")  # `status` lists these runs one by one


def report(arguments: Namespace, say: Say) -> Exit:
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
    return Exit.FINE


def write_tables(session: Session, shown: Sequence[str], selection: str) -> None:
    """Writes every table, so that `comparison.csv` is complete, and prints those in `shown`."""
    written = _report(session, selection, session.archive(), shown)
    _say_tables(session, written, [suite for suite in shown if suite in written.pages])
    session.say("\n  ".join(["Written:", *map(str, written.files)]))
    chosen = "" if selection == DEFAULT_SELECTION else f" --selection {selection}"
    session.say(f"Figures and page: ./reproduce.sh report {session.reading_words}{chosen}")


def compare(arguments: Namespace, say: Say) -> Exit:
    """Prints a summary and the numbers that matter, and writes nothing.

    DIFFERS if a cell does, UNDECIDED if cells have too few runs.
    """
    refuse(seeds_problems(arguments))
    if arguments.both:
        return _both(arguments, say)
    session = open_session(arguments, lambda text: say(fitted(text)))
    made = _compared(arguments, session)
    say(made.comparison(arguments.all))
    _say_left_out(session, made)
    return made.exit_status


def _compared(arguments: Namespace, session: Session) -> Report:
    from benchmarks.report.write import make_report

    made = make_report(_request(session, arguments.selection, session.archive()))
    return _asked_for(arguments, made)


def _both(arguments: Namespace, say: Say) -> Exit:
    """The published runs and one's own in one table; the worst of what each alone ends with."""
    from benchmarks.report.comparison import side_by_side
    from benchmarks.report.write import NoSuchRow

    words = {name: value for name, value in vars(arguments).items() if name != "local"}
    if arguments.out or arguments.local:
        raise ValueError("--both reads published and own runs; leave out --out and --local")
    published = open_session(Namespace(**words, local=False), lambda text: say(fitted(text)))
    own = open_session(Namespace(**words | {"profile": published.profile_name}, local=True), _quiet)
    if published.folders == own.folders:
        raise ValueError(f"no runs of the profile {published.profile_name} are published")
    made: list[Report | None] = []
    lacking: list[NoSuchRow] = []
    for session in (published, own):
        try:
            made.append(_compared(arguments, session))
        except NoSuchRow as error:  # the other may have it
            made.append(None)
            lacking.append(error)
    if len(lacking) == len(made):
        raise lacking[0]
    say(side_by_side(*(each.shown if each else () for each in made)))
    return worst([each.exit_status for each in made if each])


def _quiet(text: str) -> None:
    """Says nothing: what there is to say was said for the other folder."""


def status(arguments: Namespace, say: Say) -> Exit:
    """How many runs of each table are in which state, and why the others cannot run.

    A profile of `tune` shows the grids instead, as its runs fill no table.
    """
    session = open_session(arguments, lambda text: say(fitted(text)))
    if session.profile_name in session.config.tuning_profiles:
        shown = session.grids()
    else:
        shown = {suite: session.cells(suite) for suite in session.config.suites}
    planned = {
        suite: [e for cell in cells for e in cell.experiments(session.profile.seeds)]
        for suite, cells in shown.items()
    }
    every = [e for several in planned.values() for e in several]
    found = statuses(every, session.folders)
    lost = {suite: [cell for cell in cells if cell.reason] for suite, cells in shown.items()}
    recorded = recorded_cells(session.folders) if any(lost.values()) else Counter()
    counts = {
        suite: Counter(found[e.run_id].state for e in {e.run_id: e for e in several}.values())
        + Counter({RECORDED: sum(recorded[cell.template.cell_id] for cell in lost[suite])})
        for suite, several in planned.items()
    }
    say(fitted(f"Profile {session.profile_name}: {session.profile.about}."))
    say("")
    say(_counts(counts, {suite: len(cells) for suite, cells in lost.items()}))
    for line in _details(session, found, [cell for cells in lost.values() for cell in cells]):
        say(fitted(line))
    return Exit.FINE


RECORDED = "recorded"  # a run whose record is here, but not its data
STATES = {
    "done": "trained and recorded",
    RECORDED: "trained and recorded elsewhere; the data is not on this machine",
    "running": "a process is training it now",
    "interrupted": "stopped halfway; the next call goes on from its last epoch",
    "missing": "not trained yet; the verb named after the table trains it",
    "failed": "ended with an error; the next call tries again",
    "stale": "recorded by older code; --rerun-stale trains it again",
    "diverged": "its loss became infinite; this is a result",
    "unsupported": "its method cannot be used here, or the run is too short for it",
    "damaged": "its record or predictions cannot be read; the next call trains it again",
}


def _counts(counts: Mapping[str, Counter[str]], blocked: Mapping[str, int]) -> str:
    """A table: the runs of each table by their state; and what these states mean."""
    states = [state for state in STATES if any(several[state] for several in counts.values())]
    heads = ["table", *states, *["cells without data"] * any(blocked.values())]
    rows = [
        [suite, *(str(several[state]) for state in states), str(blocked[suite])][: len(heads)]
        for suite, several in counts.items()
    ]
    meaning = definitions({state: STATES[state] for state in states})
    return "\n".join([grid(heads, rows, "l" + "r" * (len(heads) - 1)), "", *meaning])


def _details(
    session: Session, found: Mapping[str, Status], blocked: Sequence[Cell]
) -> Iterator[str]:
    """What is wrong with single runs, why cells cannot run, and what to type next."""
    changes = Counter(str(s) for s in found.values() if s.state not in NAMED and s.detail)
    yield from (f"{counted(count, 'run')}: {text}" for text, count in changes.items())
    yield from (f"{name}: {each}" for name, each in found.items() if each.state in NAMED)
    reasons: dict[str, list[str]] = {}
    for cell in blocked:
        reasons.setdefault(cell.reason, []).append(session.config.datasets[cell.dataset].label)
    for reason, labels in reasons.items():
        names = ", ".join(dict.fromkeys(labels))
        yield f"{counted(len(labels), 'cell')} not run: {reason} ({names})"
    yield ""
    if blocked and not session.profile.stand_in:
        first = blocked[0].dataset
        yield f"Data first: ./reproduce.sh data prepare {first} (data sources {first}: from where)"
    table = next(iter(session.config.suites))
    verb = "tune" if session.profile_name in session.config.tuning_profiles else table
    yield f"To train: ./reproduce.sh {verb} {session.words}"
    for name in session.config.profiles:
        if runs := listed(workspace.published_results(name) / "runs", "*.json"):
            number = counted(len(runs), "published run")
            yield f"{number} of profile {name}: ./reproduce.sh compare --profile {name}"


def _report(
    session: Session, selection: str, archive: Archive, asked: Sequence[str] = ()
) -> Report:
    from benchmarks.report.write import write_report

    return write_report(_request(session, selection, archive, asked), session.folders.tables)


def _request(
    session: Session, selection: str, archive: Archive, asked: Sequence[str] = ()
) -> Request:
    # scipy takes half a second to import: status and list should not wait for it.
    from benchmarks.records.predictions import Predictions
    from benchmarks.report.write import Request

    records, unreadable = archive
    cells = session.tables(records, asked)
    return Request(
        session.config,
        session.profile_name,
        cells,
        records,
        selection=selection,
        predictions=Predictions(session.folders.root / "predictions"),
        unreadable=unreadable,
    )


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
    contents = Contents(config, *asked, written, records, *shown)  # type: ignore[arg-type]
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
        session.say(fitted(written.left_out))


def figures(arguments: Namespace, say: Say) -> Exit:
    """Draws every figure from the recorded runs; says which have nothing to show, and why."""
    session = open_session(arguments, say)
    written = draw(session, session.records(), arguments.selection)
    say("\n".join(_not_drawn(written.not_drawn, arguments.verbose)))
    head = "Written:" if written.files else "Nothing to draw."
    say("\n  ".join([head, *map(str, written.files)]))
    return Exit.FINE


def _not_drawn(reasons: Mapping[str, str], verbose: bool) -> list[str]:
    """A line for each figure without points, or one that counts them by reason."""
    if verbose:
        return [fitted(f"not drawn: {name}: {reason}") for name, reason in reasons.items()]
    told = "; ".join(f"{reason} ({n})" for reason, n in Counter(reasons.values()).most_common())
    number = counted(len(reasons), "figure")
    return [fitted(f"{number} not drawn: {told}; --verbose names them")] * bool(reasons)


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


def merge(arguments: Namespace, say: Say) -> Exit:
    """Copies what the results folder lacks; DIFFERS if something was damaged and left out.

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
    return Exit.DIFFERS if planned.left_out else Exit.FINE


def _root(arguments: Namespace) -> Path:
    if arguments.out:
        return arguments.out
    config = load_config()
    name = arguments.profile or workspace.default_profile(config)[0]
    lookup("profile", name, config.profiles)
    return workspace.own_results(name)


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
