"""The verb tune: chooses hyperparameters from the fixed grids, by validation accuracy."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cli.execute import fill, open_command
from benchmarks.cli.session import Say, Session
from benchmarks.cli.train import planned_runs
from benchmarks.configs.load import refuse, unknown_words
from benchmarks.exit_status import Exit
from benchmarks.plan import workspace
from benchmarks.plan.suites import data_options
from benchmarks.records import code
from benchmarks.records.files import csv_text, write_text
from benchmarks.studies.tuning.chosen import ChosenValue, chosen_keys, chosen_text
from benchmarks.studies.tuning.grid import FUSIONS, Search
from benchmarks.studies.tuning.outcomes import Outcome, csv_lines, markdown, open_line, outcomes
from datasets.spec import PROTOCOLS


def tune(arguments: Namespace, say: Say) -> Exit:
    """Trains what is missing of the grids, then writes choices.yaml, .csv and .md from all records.

    DIFFERS if a run failed, or if there is neither anything to run nor a record; UNFINISHED if
    some runs are left, and then no file is written. ValueError instead of losing choices.
    """
    command = open_command(arguments, say)
    session = command.session
    _check_words(arguments, session)
    session.prepare_stand_in(arguments.datasets or session.config.datasets)
    planned = session.searches()
    asked = [search for search in planned if _is_asked_for(search, arguments)]
    cells = [cell for search in asked for cell in search.cells]
    experiments = planned_runs(cells, session.profile.seeds, session)
    if experiments is None:
        return Exit.DIFFERS
    exit_status = fill(command, experiments)
    if exit_status in (None, Exit.UNFINISHED):
        return exit_status or Exit.FINE
    found = outcomes(planned, session.records())
    if not found:
        say("no run of a grid has ended: nothing to choose from, nothing written")
        return Exit.DIFFERS
    _write(found, session)
    return exit_status


def _check_words(arguments: Namespace, session: Session) -> None:
    """ValueError lists every mistake in the words of the command line."""
    config = session.config
    grids = [name for name, method in config.methods.items() if method.grid]
    problems = [
        *unknown_words("dataset", arguments.datasets, config.datasets),
        *unknown_words("method with a grid", arguments.methods, grids),
        *unknown_words("fusion", arguments.fusion, FUSIONS),
    ]
    used = {data_options(config, session.profile, name).get("protocol") for name in config.datasets}
    problems += [
        f"the protocol is {protocol}; tune needs {PROTOCOLS[0]}, which no table tests on"
        for protocol in used - {PROTOCOLS[0]}
    ]
    refuse(problems)


def _is_asked_for(search: Search, arguments: Namespace) -> bool:
    what = search.template
    return (
        what.fusion in arguments.fusion
        and what.dataset in (arguments.datasets or [what.dataset])
        and what.method in (arguments.methods or [what.method])
    )


def _write(found: Sequence[Outcome], session: Session) -> None:
    """Writes the three files and says what they hold, and which grids are left without a choice."""
    root, profile = session.folders.root, session.profile
    chosen = [outcome.chosen_value for outcome in found if outcome.chosen_value]
    _check_kept(chosen, root / "choices.yaml")
    table = markdown(found, session.config, profile.stand_in)
    contents = {
        "choices.yaml": chosen_text(chosen, session.profile_name, profile.stand_in),
        "choices.csv": csv_text(csv_lines(found, profile.stand_in)),
        "choices.md": table,
    }
    for name, text in contents.items():
        write_text(root / name, text)
    session.say(table)
    for outcome in found:
        if outcome.chosen is None:
            session.say(open_line(outcome))
    runs = [run for outcome in found for trial in outcome.trials for run in trial.runs]
    if old := code.footnote(runs):
        session.say(old)
    session.say("\n  ".join(["Written:", *(str(root / name) for name in contents)]))
    session.say(_use(root, session))


def _check_kept(chosen: Sequence[ChosenValue], path: Path) -> None:
    """ValueError names the choices in the file that are not among those to be written."""
    keys = {choice.key for choice in chosen}
    if lost := [" ".join(key) for key in chosen_keys(path) if key not in keys]:
        raise ValueError(
            f"{path} holds choices whose runs are missing; nothing is written: bring "
            f"their runs to {path.parent / 'runs'}, or delete the file to choose without them\n  "
            + "\n  ".join(lost)
        )


def _use(root: Path, session: Session) -> str:
    """Which profiles use the written file, or where it must be for them to use it."""
    if session.profile.stand_in:
        return "stand-in data: no profile uses these choices"
    name = session.profile_name
    profiles = session.config.profiles.items()
    tuned = [other for other, p in profiles if p.params == "tuned" and p.tuned_by == name]
    if not tuned:
        return f"no profile is tuned by {name}: nothing uses these choices"
    users = " and ".join(tuned)
    if root == workspace.own_results(name):
        return f"your own runs of {users} use {root / 'choices.yaml'}"
    used = workspace.choices_file(name)
    text = f"{users} use {used}"
    here = (root / "choices.yaml").resolve() == used.resolve()
    return text if here else f"{text}, which this file must replace to be used"
