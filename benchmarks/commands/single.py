"""The verb run: one experiment."""

from __future__ import annotations

from argparse import Namespace

from benchmarks import contribution, plan, sweep, workspace
from benchmarks.commands.execution import execute
from benchmarks.commands.session import Say, Session, open_session
from benchmarks.commands.training import asked_execution
from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord
from benchmarks.signals import EXIT_UNFINISHED, Stop


def run(arguments: Namespace, say: Say) -> int:
    """Trains one experiment, or shows its record if it was trained before."""
    session = open_session(arguments, say)
    experiment = _asked_for(arguments, session)
    session.prepare_stand_in([experiment.dataset])
    experiment = workspace.with_fingerprint(experiment)
    path = session.folders.record(experiment.run_id)
    sweep.set_damaged_aside([experiment], session.folders, say)
    if not sweep.pending([experiment], session.folders, keep_weights=arguments.keep_weights):
        say(f"done before: {path}")
    elif execute([experiment], session, asked_execution(arguments), Stop()) == EXIT_UNFINISHED:
        return EXIT_UNFINISHED
    record = RunRecord.load(path)
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


def _summary(record: RunRecord) -> str:
    """The last epoch's and the reported epoch's test accuracies, in percent."""
    from benchmarks.selection import RULES, choose

    if record.status != "done":
        return f"{record.status}: {record.reason}"
    lines = ["stand-in data: never compare these numbers with the paper"] * record.stand_in
    if record.experiment.data.get("protocol") == "published":
        lines.append("published protocol: epochs were chosen on the samples that are reported")
    for rule in RULES:
        epoch = choose(rule, record.history)
        accuracies = "  ".join(
            f"{name.removeprefix('acc_')} {100 * value:.2f}"
            for name, value in epoch["test"].items()
            if name.startswith("acc_")
        )
        lines.append(f"{rule:<11} epoch {epoch['epoch']:>3}  test accuracy (%)  {accuracies}")
    return "\n".join(lines)
