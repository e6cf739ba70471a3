"""Carries a plan out and tells how that ended."""

from __future__ import annotations

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks import costs, measured, plan_text, sweep
from benchmarks.claims import Claims
from benchmarks.commands.session import Session
from benchmarks.execution import Execution
from benchmarks.executors.slurm import SlurmJob, submit_array
from benchmarks.executors.slurm_request import Request
from benchmarks.experiment import Experiment
from benchmarks.files import Unwritable, check_writable
from benchmarks.jobs import thread_count
from benchmarks.record import RunRecord
from benchmarks.signals import EXIT_UNFINISHED, Stop
from benchmarks.standing import standings
from benchmarks.words import counted


def fill(
    experiments: Sequence[Experiment],
    session: Session,
    arguments: Namespace,
    how: tuple[Execution, Stop, Request | None],
) -> int | None:
    """Trains what is missing of a plan, or shows it, or hands it to Slurm.

    The exit status of `execute`; None if nothing was trained here.
    """
    execution, stop, request = how
    if not arguments.dry_run:
        sweep.set_damaged_aside(experiments, session.folders, session.say)
    options = arguments.rerun_stale, execution.keep_weights
    missing = sweep.pending(experiments, session.folders, *options)
    done = len(experiments) - len(missing)
    session.say(f"{counted(len(experiments), 'run')} planned, {done} of them done before")
    if arguments.dry_run:
        _show(missing, session)
        return None
    if missing and request:
        submit(missing, session, execution, request)
        return None
    status = execute(missing, session, execution, stop) if missing else 0
    ended = [session.folders.record(e.run_id) for e in missing]
    records = [RunRecord.load(path) for path in ended if path.exists()]
    if compared := costs.reality(records):
        session.say(compared)
    return status


def execute(
    experiments: Sequence[Experiment], session: Session, execution: Execution, stop: Stop
) -> int:
    """Runs the experiments.

    Exit status 0, 1 if a run failed, 75 if some are left: the same command goes on with them.
    """
    check_writable(session.folders.root)
    before = sweep.marks(experiments, session.folders)
    with stop.listening():
        try:
            _run(experiments, session, execution, stop, before)
        except Unwritable as error:
            session.say(f"error: {error}")
    return _ending(experiments, session, stop, before)


def submit(
    experiments: Sequence[Experiment], session: Session, execution: Execution, request: Request
) -> None:
    """Hands the experiments to Slurm and says what to type next; ValueError if it refuses."""
    check_writable(session.folders.root)
    before = sweep.marks(experiments, session.folders)
    plan = session.folders, experiments, before, execution
    number = submit_array(SlurmJob(*plan, request))
    session.say(
        f"{counted(len(experiments), 'run')} submitted as Slurm job {number} "
        f"({request.jobs} in the array); logs: {session.folders.root / 'slurm'}\n"
        f"how far it is: ./reproduce.sh status {session.words}; stop it: scancel "
        f"{number}; afterwards the same command submits what is left, or writes the table"
    )


def _show(missing: Sequence[Experiment], session: Session) -> None:
    expected = costs.estimates(missing, measured.load_figures())
    found = standings(missing, session.folders)
    lines = plan_text.run_lines(missing, found, expected) + plan_text.cost_lines(expected)
    session.say("\n".join(lines))


def _run(
    experiments: Sequence[Experiment],
    session: Session,
    execution: Execution,
    stop: Stop,
    before: Mapping[str, str],
) -> None:
    if min(execution.jobs, len(experiments)) > 1:
        from benchmarks.executors.pool import Pool

        Pool(session.folders, session.say, stop, execution).execute(experiments, before)
        return
    # Torch takes seconds to import: nothing that only plans or reports should wait for it.
    import torch

    from benchmarks.executors.local import LocalExecutor
    from benchmarks.progress import pick_device, reporter

    if "OMP_NUM_THREADS" not in os.environ:  # as in a pool, where results must not depend on it
        torch.set_num_threads(thread_count(execution.jobs))
    place = session.folders, pick_device(execution.device), reporter(session.say)
    LocalExecutor(*place, stop, execution=execution).execute(experiments, before)


def _ending(
    experiments: Sequence[Experiment], session: Session, stop: Stop, before: Mapping[str, str]
) -> int:
    left = sweep.untouched(experiments, session.folders, before)
    claims = Claims(session.folders.claims)
    elsewhere = Counter(
        str(claims.owner(e.run_id)) for e in left if claims.pulse(e.run_id) in ("alive", "unknown")
    )
    for owner, count in elsewhere.items():
        session.say(f"under way elsewhere: {counted(count, 'run')}: {owner}")
    if left:
        why = f"stopped ({stop.reason}): " if stop.reason else ""
        session.say(f"{why}{counted(len(left), 'run')} left; resume with the same command")
        return EXIT_UNFINISHED
    found = standings(experiments, session.folders).values()
    return 1 if any(standing.state == "failed" for standing in found) else 0
