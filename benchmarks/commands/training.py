"""The verbs that name a table: train what is missing of it, then write it."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence

from benchmarks import plan
from benchmarks.commands.execution import fill
from benchmarks.commands.reporting import write_tables
from benchmarks.commands.session import Say, Session, open_session
from benchmarks.execution import Execution
from benchmarks.executors.slurm_request import asked_of_slurm
from benchmarks.experiment import Experiment
from benchmarks.jobs import job_count
from benchmarks.plan import Cell
from benchmarks.signals import EXIT_UNFINISHED, Stop
from benchmarks.words import unknown_words


def table(arguments: Namespace, say: Say) -> int:
    """The verb that names a suite: trains what is missing of it and writes its table.

    Exit status 1 if a run failed or nothing can be run nor reported, 75 if some are left; 0 without
    a table if they were submitted.
    """
    request = asked_of_slurm(arguments)
    execution, stop = asked_execution(arguments), Stop(deadline(arguments.max_hours))
    session = open_session(arguments, say)
    cells = _chosen_cells(arguments, session)
    experiments = planned_runs(cells, arguments.seeds or session.profile.seeds, session)
    if experiments is None:
        return 1
    status = fill(experiments, session, arguments, (execution, stop, request))
    if status in (None, EXIT_UNFINISHED):  # who asked to stop does not want to wait for tables
        return status or 0
    write_tables(session, [arguments.verb], arguments.selection)
    return status


def _chosen_cells(arguments: Namespace, session: Session) -> list[Cell]:
    """The cells that the command line names; ValueError if there are none."""
    _check_choice(arguments, session)
    session.prepare_stand_in(arguments.datasets or session.config.datasets)
    cells = plan.chosen(session.cells(arguments.verb), arguments.datasets, arguments.methods)
    if not cells:
        what = " ".join((*arguments.datasets, *arguments.methods))
        raise ValueError(f"no row of {arguments.verb} has {what}; the rows are in suites.yaml")
    return cells


def planned_runs(cells: Sequence[Cell], seeds: int, session: Session) -> list[Experiment] | None:
    """The experiments of these cells; None if there is nothing to run and nothing to report.

    Says which datasets cannot be run.
    """
    for gap in session.gaps(cells):
        session.say(gap)
    experiments = [e for cell in cells for e in cell.experiments(seeds)]
    wanted = {cell.template.cell_id for cell in cells}
    if experiments or any(r.experiment.cell_id in wanted for r in session.records()):
        return experiments
    session.say("nothing can be run, and there is no record to report")
    return None


def _check_choice(arguments: Namespace, session: Session) -> None:
    """Raises ValueError, listing every mistake in the choice of datasets, methods and seeds."""
    config, problems = session.config, []
    for kind, words, known in (
        ("dataset", arguments.datasets, config.datasets),
        ("method", arguments.methods, config.methods),
    ):
        problems += unknown_words(kind, words, known)
    if arguments.seeds is not None and arguments.seeds < 1:
        problems.append(f"--seeds is {arguments.seeds}; it must be at least 1")
    if problems:
        raise ValueError("\n  ".join(problems))


def asked_execution(arguments: Namespace) -> Execution:
    """How the command line wants runs to be executed; ValueError for impossible `--jobs`."""
    jobs = job_count(getattr(arguments, "jobs", "1"), arguments.device)
    names = ("keep_weights", "capture", "deterministic")
    wanted = {k: v for k, v in vars(arguments).items() if k in names}
    return Execution(arguments.device, jobs, **wanted)


def deadline(hours: float | None) -> float | None:
    """The time of `time.monotonic` after so many hours."""
    if hours is None:
        return None
    if not hours > 0:
        raise ValueError(f"--max-hours is {hours:g}; it must be more than 0")
    return time.monotonic() + 3600 * hours
