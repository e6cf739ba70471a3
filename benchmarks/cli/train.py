"""The verbs that train: a table, all of the paper's tables, or one experiment."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from benchmarks.cli.execute import Command, asked_settings, execute, fill, open_command
from benchmarks.cli.report import report, write_tables
from benchmarks.cli.session import Say, Session, open_session, seeds_problems
from benchmarks.configs.load import refuse, unknown_words
from benchmarks.exit_status import Exit, worst
from benchmarks.plan import suites, workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import Cell
from benchmarks.plan.words import refuse_wrong_words
from benchmarks.records import contribution, status
from benchmarks.records.record import RunRecord
from benchmarks.terminal import fitted


def table(arguments: Namespace, say: Say) -> Exit:
    """Runs the verb named after a suite: trains its missing runs and writes its table.

    DIFFERS if a run failed, or if nothing can run and nothing can be reported; UNFINISHED if some
    runs are left; FINE without a table if they were submitted.
    """
    command = open_command(arguments, say)
    session = command.session
    cells = _chosen_cells(arguments, session)
    experiments = planned_runs(cells, session.profile.seeds, session)
    if experiments is None:
        return Exit.DIFFERS
    exit_status = fill(command, experiments)
    if exit_status in (None, Exit.UNFINISHED):  # stopped: the table can wait
        return exit_status or Exit.FINE
    write_tables(session, [arguments.verb], arguments.selection)
    return exit_status


def _chosen_cells(arguments: Namespace, session: Session) -> list[Cell]:
    """The cells that the command line names; ValueError if there are none."""
    _check_choice(arguments, session)
    session.prepare_stand_in(arguments.datasets or session.config.datasets)
    cells = suites.chosen(session.cells(arguments.verb), arguments.datasets, arguments.methods)
    if not cells:
        what = " ".join((*arguments.datasets, *arguments.methods))
        raise ValueError(f"no row of {arguments.verb} has {what}; the rows are in suites.yaml")
    return cells


def planned_runs(cells: Sequence[Cell], seeds: int, session: Session) -> list[Experiment] | None:
    """The experiments of these cells; None if there is nothing to run and nothing to report.

    Says which datasets cannot be run.
    """
    for gap in session.gaps(cells):
        session.say(fitted(gap))
    experiments = [e for cell in cells for e in cell.experiments(seeds)]
    wanted = {cell.template.cell_id for cell in cells}
    if experiments or any(r.experiment.cell_id in wanted for r in session.records()):
        return experiments
    session.say("nothing can be run, and there is no record to report")
    if session.out is None and workspace.has_published(session.profile_name):
        session.say(f"published runs: ./reproduce.sh compare --profile {session.profile_name}")
    return None


def _check_choice(arguments: Namespace, session: Session) -> None:
    """ValueError lists every mistake in the choice of datasets, methods and seeds."""
    problems = unknown_words("dataset", arguments.datasets, session.config.datasets)
    problems += unknown_words("method", arguments.methods, session.config.methods)
    refuse([*problems, *seeds_problems(arguments)])


def everything(arguments: Namespace, say: Say) -> Exit:
    """Trains what is missing of the paper's tables and writes the report.

    DIFFERS if a run failed, UNFINISHED if some are left. There is no report if some are left, and
    none if Slurm does the work.
    """
    session = open_session(arguments, say)
    words = vars(arguments) | {"profile": session.profile_name}
    statuses = []
    papers = [name for name, suite in session.config.suites.items() if suite.source == "paper"]
    for suite in papers:
        statuses.append(table(Namespace(**words | {"verb": suite}), say))
        if statuses[-1] == Exit.UNFINISHED:
            return Exit.UNFINISHED
    if not arguments.dry_run and arguments.executor == "local":
        report(Namespace(**words, site=None), say)
    return worst(statuses)


def run(arguments: Namespace, say: Say) -> Exit:
    """Trains one experiment, or shows its record if it was trained before."""
    settings, session = asked_settings(arguments), open_session(arguments, say)
    experiment = _experiment(arguments, session)
    session.prepare_stand_in([experiment.dataset])
    if not (session.dry_run and session.ungenerated([experiment.dataset])):
        experiment = workspace.with_fingerprint(experiment)
    if session.dry_run:
        fill(Command(session, settings), [experiment])
        return Exit.FINE
    path = session.folders.record(experiment.run_id)
    status.set_damaged_aside([experiment], session.folders, say)
    if not status.pending([experiment], session.folders, keep_weights=arguments.keep_weights):
        say(f"done before: {path}")
    elif execute(Command(session, settings), [experiment]) == Exit.UNFINISHED:
        return Exit.UNFINISHED
    record = RunRecord.load(path)
    say(_summary(record))
    say(f"record: {path}")
    return Exit.FINE if record.status == "done" else Exit.DIFFERS


_NAMES = ("dataset", "fusion", "method", "modalities", "seed")


def _experiment(arguments: Namespace, session: Session) -> Experiment:
    """The experiment of the command line, checked; ValueError lists every mistake."""
    names = {key: getattr(arguments, key) for key in _NAMES}
    changes = dict(arguments.changes)
    values = suites.experiment_values(session.config, session.profile, names, changes)
    refuse_wrong_words(values)
    from benchmarks.plan.check import check_values  # imports torch: a typo does not wait for it

    if values["params"].get("factor") == contribution.FROM_MSAM:
        draft = workspace.with_fingerprint(Experiment.from_dict(values))
        values["params"] = dict(contribution.resolved(draft, session.records()).params)
    return check_values(values)


def _summary(record: RunRecord) -> str:
    """The last epoch's and the reported epoch's test accuracies, in percent."""
    from benchmarks.records.selection import RULES, choose

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
