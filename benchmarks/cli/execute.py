"""Carries a plan out and tells how that ended."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.cli.session import Session
from benchmarks.executors.pool import execute_here
from benchmarks.executors.slurm import Request, SlurmJob, submit_array
from benchmarks.executors.stop import EXIT_UNFINISHED, Stop
from benchmarks.plan import costs, measurements
from benchmarks.plan.costs import Estimate, sources
from benchmarks.plan.experiment import Experiment
from benchmarks.records.files import Unwritable, check_writable
from benchmarks.records.leases import Leases
from benchmarks.records.record import RunRecord
from benchmarks.records.status import Status, Sweep, pending, set_damaged_aside, statuses
from benchmarks.report import compute
from benchmarks.training.context import RunSettings
from datasets.errors import counted


def fill(
    experiments: Sequence[Experiment],
    session: Session,
    arguments: Namespace,
    how: tuple[RunSettings, Stop, Request | None],
) -> int | None:
    """Trains what is missing of a plan, or shows it, or hands it to Slurm.

    The exit status of `execute`; None if nothing was trained here.
    """
    execution, stop, request = how
    if not arguments.dry_run:
        set_damaged_aside(experiments, session.folders, session.say)
    options = arguments.rerun_stale, execution.keep_weights
    missing = pending(experiments, session.folders, *options)
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
    if compared := compute.reality(records):
        session.say(compared)
    return status


def execute(
    experiments: Sequence[Experiment], session: Session, execution: RunSettings, stop: Stop
) -> int:
    """Runs the experiments.

    Exit status 0, 1 if a run failed, 75 if some are left: the same command goes on with them.
    """
    check_writable(session.folders.root)
    sweep = Sweep.planned_now(experiments, session.folders)
    with stop.listening():
        try:
            execute_here(sweep, execution, stop, session.say)
        except Unwritable as error:
            session.say(f"error: {error}")
    return _ending(sweep, session, stop)


def submit(
    experiments: Sequence[Experiment], session: Session, execution: RunSettings, request: Request
) -> None:
    """Hands the experiments to Slurm and says what to type next; ValueError if it refuses."""
    check_writable(session.folders.root)
    sweep = Sweep.planned_now(experiments, session.folders)
    number = submit_array(SlurmJob(sweep, execution, request))
    session.say(
        f"{counted(len(experiments), 'run')} submitted as Slurm job {number} "
        f"({request.jobs} in the array); logs: {session.folders.root / 'slurm'}\n"
        f"how far it is: ./reproduce.sh status {session.words}; stop it: scancel "
        f"{number}; afterwards the same command submits what is left, or writes the table"
    )


def _show(missing: Sequence[Experiment], session: Session) -> None:
    expected = costs.estimates(missing, measurements.load_figures())
    found = statuses(missing, session.folders)
    lines = run_lines(missing, found, expected) + cost_lines(expected)
    session.say("\n".join(lines))


def _ending(sweep: Sweep, session: Session, stop: Stop) -> int:
    left, leases = sweep.left(), Leases(session.folders.leases)
    elsewhere = Counter(
        str(leases.owner(e.run_id)) for e in left if leases.state(e.run_id) in ("alive", "unknown")
    )
    for owner, count in elsewhere.items():
        session.say(f"under way elsewhere: {counted(count, 'run')}: {owner}")
    if left:
        why = f"stopped ({stop.reason}): " if stop.reason else ""
        session.say(f"{why}{counted(len(left), 'run')} left; resume with the same command")
        return EXIT_UNFINISHED
    found = statuses(sweep.experiments, session.folders).values()
    return 1 if any(status.state == "failed" for status in found) else 0


MOST_LINES = 40  # with more runs, there is one line for those that differ in their seed alone


def run_lines(
    missing: Sequence[Experiment], found: Mapping[str, Status], costs: Sequence[Estimate]
) -> list[str]:
    """A line per run, or with many runs per dataset, fusion and method, dataset by dataset."""
    if len(missing) <= MOST_LINES:
        return [f"  {e.run_id}  {found[e.run_id]}" for e in missing]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    datasets = list(dict.fromkeys(e.dataset for e in missing))
    for number, e in sorted(enumerate(missing), key=lambda pair: datasets.index(pair[1].dataset)):
        groups[e.dataset, e.fusion, " ".join((e.method, *e.modalities))].append(number)
    widths = [max(len(name[i]) for name in groups) for i in range(3)]
    lines = []
    for names, members in groups.items():
        padded = "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))
        states = Counter(found[missing[i].run_id].state for i in members)
        text = ", ".join(f"{count} {state}" for state, count in states.items())
        lines.append(f"  {padded}  {_duration([costs[i] for i in members]):>9}  {text}")
    return lines


def cost_lines(costs: Sequence[Estimate]) -> list[str]:
    """Hours, memory and disk of all runs, where the figures come from, and what is lacking."""
    timed = [c.seconds for c in costs if c.seconds is not None]
    lines = []
    if timed:
        lines.append(f"time: {sum(timed) / 3600:.2f} h for {len(timed)} runs, one after the other")
    for reason, count in Counter(c.lacking for c in costs if c.lacking).items():
        lines.append(f"time of {count} runs: {reason}")
    peaks = [c.memory for c in costs if c.memory is not None]
    if peaks:
        lines.append(f"memory: {max(peaks):.0f} MiB a run at most{_of(peaks, costs)}")
    else:
        lines.append("memory: no figure: run ./reproduce.sh bench --parts memory")
    sizes = [c.disk for c in costs if c.disk is not None]
    lines.append(f"disk: {sum(sizes) / 1e6:.1f} MB at most{_of(sizes, costs)}")
    return lines + [f"figures of {sources(costs)}"] * bool(timed)


def _duration(costs: Sequence[Estimate]) -> str:
    seconds = [c.seconds for c in costs if c.seconds is not None]
    if len(seconds) < len(costs):
        return "no figure"
    minutes = sum(seconds) / 60
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.2f} h"


def _of(known: Sequence[float], costs: Sequence[Estimate]) -> str:
    return f", known of {len(known)} of {len(costs)} runs" if len(known) < len(costs) else ""
