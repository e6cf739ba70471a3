"""A command that trains: carries out a plan, or shows it, and says how that ended."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.cli.session import Say, Session, open_session
from benchmarks.executors.devices import job_count
from benchmarks.executors.pool import execute_here
from benchmarks.executors.progress import Monitor
from benchmarks.executors.slurm import Request, SlurmJob, slurm_request, submit_array
from benchmarks.executors.stop import Stop
from benchmarks.exit_status import Exit
from benchmarks.plan import costs, measurements
from benchmarks.plan.costs import Estimate, sources
from benchmarks.plan.experiment import Experiment
from benchmarks.records.files import Unwritable, check_writable
from benchmarks.records.leases import Leases
from benchmarks.records.record import RunRecord
from benchmarks.records.status import Status, Sweep, pending, set_damaged_aside, statuses
from benchmarks.report import compute
from benchmarks.report.tables.paper import PAPER_PROFILE
from benchmarks.training.context import RunSettings
from datasets.errors import counted


@dataclass(frozen=True)
class Command:
    """A training command: where results go, how to train, and when to stop.

    With `slurm`, jobs of a cluster train instead of this process. `verbose` prints every epoch.
    """

    session: Session
    settings: RunSettings
    stop: Stop = field(default_factory=Stop)
    slurm: Request | None = None
    rerun_stale: bool = False
    verbose: bool = False


def open_command(arguments: Namespace, say: Say) -> Command:
    """What the command line asks for; ValueError lists what is wrong with it."""
    settings, stop = asked_settings(arguments), stop_after(arguments.max_hours)
    slurm_request(arguments)  # now, as mistakes in the words come first
    session = open_session(arguments, say)
    slurm = slurm_request(arguments, session.profile.gpu)
    return Command(session, settings, stop, slurm, arguments.rerun_stale, arguments.verbose)


def asked_settings(arguments: Namespace) -> RunSettings:
    """How the command line wants runs to be executed; ValueError for impossible `--jobs`."""
    threads = arguments.threads or Experiment.threads
    jobs = job_count(getattr(arguments, "jobs", "1"), arguments.device, threads)
    names = ("keep_weights", "capture", "deterministic")
    wanted = {k: v for k, v in vars(arguments).items() if k in names and v is not None}
    if "capture" not in wanted and measurements.gpu_tests_passed():
        wanted["capture"] = "auto"
    return RunSettings(arguments.device, jobs, **wanted)


def stop_after(hours: float | None) -> Stop:
    """Stops after so many hours from now; None means no limit."""
    if hours is None:
        return Stop()
    if not hours > 0:
        raise ValueError(f"--max-hours is {hours:g}; it must be more than 0")
    return Stop(time.monotonic() + 3600 * hours)


def fill(command: Command, experiments: Sequence[Experiment]) -> Exit | None:
    """Trains what is missing of a plan, or shows it, or hands it to Slurm.

    The exit status of `execute`; None if nothing was trained here.
    """
    session = command.session
    if not session.dry_run:
        set_damaged_aside(experiments, session.folders, session.say)
    options = command.rerun_stale, command.settings.keep_weights
    missing = pending(experiments, session.folders, *options)
    done = len(experiments) - len(missing)
    session.say(f"{counted(len(experiments), 'run')} planned, {done} of them done before")
    if session.dry_run:
        _show(missing, session)
        session.say("\n".join(_power(experiments, session)))
        return None
    if missing and command.slurm:
        submit(command, command.slurm, missing)
        return None
    exit_status = execute(command, missing) if missing else Exit.FINE
    ended = [session.folders.record(e.run_id) for e in missing]
    records = [RunRecord.load(path) for path in ended if path.exists()]
    if compared := compute.reality(records):
        session.say(compared)
    return exit_status


def execute(command: Command, experiments: Sequence[Experiment]) -> Exit:
    """Runs the experiments on this machine.

    DIFFERS if a run failed, UNFINISHED if some are left: the same command goes on with them.
    """
    session = command.session
    check_writable(session.folders.root)
    sweep = Sweep.planned_now(experiments, session.folders)
    # The epochs of one run are shown: they are what one waits for.
    verbose = command.verbose or len(experiments) == 1
    monitor = Monitor(sweep, session.say, session.folders.log, verbose)
    with command.stop.listening(), monitor:
        try:
            execute_here(sweep, command.settings, command.stop, monitor.reporter)
        except Unwritable as error:
            session.say(f"error: {error}")
    return _ending(command, sweep)


def submit(command: Command, request: Request, experiments: Sequence[Experiment]) -> None:
    """Hands the experiments to Slurm and says what to type next; ValueError if it refuses."""
    session = command.session
    check_writable(session.folders.root)
    sweep = Sweep.planned_now(experiments, session.folders)
    number = submit_array(SlurmJob(sweep, command.settings, request))
    session.say(
        f"{counted(len(experiments), 'run')} submitted as Slurm job {number} "
        f"({request.jobs} in the array); logs: {session.folders.root / 'slurm'}\n"
        f"how far it is: ./reproduce.sh status {session.words}; stop it: scancel "
        f"{number}; afterwards the same command submits what is left, or writes the table"
    )


def _ending(command: Command, sweep: Sweep) -> Exit:
    """Says what is left and why; the exit status of `execute`."""
    session, stop = command.session, command.stop
    left, leases = sweep.left(), Leases(session.folders.leases)
    elsewhere = Counter(
        str(leases.owner(e.run_id)) for e in left if leases.state(e.run_id) in ("alive", "unknown")
    )
    for owner, count in elsewhere.items():
        session.say(f"under way elsewhere: {counted(count, 'run')}: {owner}")
    if left:
        why = f"stopped ({stop.reason}): " if stop.reason else ""
        session.say(f"{why}{counted(len(left), 'run')} left; resume with the same command")
        return Exit.UNFINISHED
    found = statuses(sweep.experiments, session.folders).values()
    failed = any(status.state == "failed" for status in found)
    return Exit.DIFFERS if failed else Exit.FINE


def _power(planned: Sequence[Experiment], session: Session) -> list[str]:
    """What the plan can show. Only a profile that trains as the paper did gets verdicts."""
    if session.profile_name != PAPER_PROFILE:
        return [f"power: none; the profile {session.profile_name} gets no verdicts"]
    from benchmarks.cli.power import power_lines  # imports scipy

    return power_lines(planned, session.records())


def _show(missing: Sequence[Experiment], session: Session) -> None:
    expected = costs.estimates(missing, measurements.load_figures())
    found = statuses(missing, session.folders)
    lines = run_lines(missing, found, expected) + cost_lines(expected)
    session.say("\n".join(lines))


MOST_LINES = 40  # with more runs, there is one line for those that differ in their seed alone


def run_lines(
    missing: Sequence[Experiment], found: Mapping[str, Status], expected: Sequence[Estimate]
) -> list[str]:
    """A line per run, or with many runs per dataset, fusion and method, dataset by dataset."""
    if len(missing) <= MOST_LINES:
        return [f"  {_name(e)}  {found[e.run_id]}" for e in missing]
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
        lines.append(f"  {padded}  {_duration([expected[i] for i in members]):>9}  {text}")
    return lines


def _name(experiment: Experiment) -> str:
    """The run's name; without its hash if its data is not generated yet, which the hash is of."""
    known = experiment.data.get("fingerprint") is not None
    return experiment.run_id if known else experiment.run_id.rpartition("-")[0]


def cost_lines(expected: Sequence[Estimate]) -> list[str]:
    """Hours, memory and disk of all runs, where the figures come from, and what is missing."""
    timed = [run.seconds for run in expected if run.seconds is not None]
    lines = []
    if timed:
        lines.append(f"time: {sum(timed) / 3600:.2f} h for {len(timed)} runs, one after the other")
    for reason, count in Counter(run.lacking for run in expected if run.lacking).items():
        lines.append(f"time of {counted(count, 'run')}: {reason}")
    peaks = [run.memory for run in expected if run.memory is not None]
    if peaks:
        lines.append(f"memory: {max(peaks):.0f} MiB a run at most{_of(peaks, expected)}")
    else:
        lines.append("memory: no figure: run ./reproduce.sh bench --parts memory")
    sizes = [run.disk for run in expected if run.disk is not None]
    if sizes:
        lines.append(f"disk: {max(0.1, sum(sizes) / 1e6):.1f} MB at most{_of(sizes, expected)}")
    else:
        lines.append("disk: no figure without the data")
    return lines + [f"figures of {sources(expected)}"] * bool(timed)


def _duration(expected: Sequence[Estimate]) -> str:
    seconds = [run.seconds for run in expected if run.seconds is not None]
    if len(seconds) < len(expected):
        return "no figure"
    return _time(sum(seconds))


def _time(seconds: float) -> str:
    """Such as 12 s, 7.5 min or 2.00 h; never 0 of anything."""
    if seconds < 60:
        return f"{max(1, seconds):.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def _of(known: Sequence[float], expected: Sequence[Estimate]) -> str:
    count = len(expected)
    return f" (known for {len(known)} of {count} runs)" if len(known) < count else ""
