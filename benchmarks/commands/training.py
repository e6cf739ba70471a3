"""The verbs that train: the tables, and a single run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Literal

from benchmarks import contribution, costs, plan, sweep, workspace
from benchmarks.commands.reporting import write_tables
from benchmarks.commands.session import Say, Session, open_session
from benchmarks.experiment import Experiment
from benchmarks.files import check_writable
from benchmarks.record import RunRecord
from benchmarks.words import unknown_words


def table(arguments: Namespace, say: Say) -> int:
    """table1, table2: trains what is missing and writes the table; 1 if a run failed."""
    session = open_session(arguments, say)
    _check_choice(arguments, session)
    seeds = arguments.seeds or session.profile.seeds
    _prepare_stand_in(session)
    cells = plan.chosen(session.cells(arguments.verb), arguments.datasets, arguments.methods)
    experiments = [e for cell in cells for e in cell.experiments(seeds)]
    missing = sweep.pending(experiments, session.folders)
    say(f"{len(experiments)} runs planned, {len(experiments) - len(missing)} of them done before")
    if arguments.dry_run:
        for experiment in missing:
            say(f"  {experiment.run_id}  {sweep.state(experiment, session.folders)}")
        say("\n".join(costs.plan_lines(missing, costs.load_figures())))
        return 0
    records = execute(missing, arguments.device, session, arguments.capture) if missing else []
    if compared := costs.reality_line(records, costs.load_figures()):
        say(compared)
    write_tables(session, [arguments.verb], arguments.selection)
    return 1 if any(record.status == "failed" for record in records) else 0


def run(arguments: Namespace, say: Say) -> int:
    """Trains one experiment, or shows its record if it was trained before."""
    session = open_session(arguments, say)
    experiment = _asked_for(arguments, session)
    _prepare_stand_in(session)
    experiment = workspace.with_fingerprint(experiment)
    path = session.folders.record(experiment.run_id)
    if sweep.state(experiment, session.folders) in sweep.ENDED:
        say(f"done before: {path}")
        record = RunRecord.load(path)
    else:
        record = execute([experiment], arguments.device, session, arguments.capture)[0]
    say(_summary(record))
    say(f"record: {path}")
    return 0 if record.status == "done" else 1


_NAMES = ("dataset", "fusion", "method", "modalities", "seed")


def _asked_for(arguments: Namespace, session: Session) -> Experiment:
    """The experiment of the command line, checked; ValueError lists every mistake."""
    from benchmarks.check import check_values  # imports torch

    names = {key: getattr(arguments, key) for key in _NAMES}
    changes = dict(arguments.changes)
    values = plan.experiment_values(session.config, session.profile, names, changes)
    if values["params"].get("factor") == contribution.FROM_MSAM:
        draft = workspace.with_fingerprint(Experiment.from_dict(values))
        values["params"] = dict(contribution.resolved(draft, session.records()).params)
    return check_values(values)


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


def _prepare_stand_in(session: Session) -> None:
    if session.profile.stand_in:
        workspace.ensure_stand_in(list(session.config.datasets), session.say)


def execute(
    experiments: Sequence[Experiment],
    device: str | None,
    session: Session,
    capture: Literal["auto", "off"] = "auto",
) -> list[RunRecord]:
    check_writable(session.folders.root)
    # Torch takes seconds to import: nothing that only plans or reports should wait for it.
    from benchmarks.executors.local import LocalExecutor
    from benchmarks.progress import pick_device, reporter

    place = pick_device(device), reporter(session.say)
    executor = LocalExecutor(session.folders, *place, capture)
    return executor.execute(experiments)


def _summary(record: RunRecord) -> str:
    """The last epoch's and the reported epoch's test accuracies, in percent."""
    from benchmarks.selection import RULES, choose

    if record.status != "done":
        return f"{record.status}: {record.reason}"
    lines = ["stand-in data: never compare these numbers with the paper"] * record.stand_in
    for rule in RULES:
        epoch = choose(rule, record.history)
        accuracies = "  ".join(
            f"{name.removeprefix('acc_')} {100 * value:.2f}"
            for name, value in epoch["test"].items()
            if name.startswith("acc_")
        )
        lines.append(f"{rule:<11} epoch {epoch['epoch']:>3}  test accuracy (%)  {accuracies}")
    return "\n".join(lines)
