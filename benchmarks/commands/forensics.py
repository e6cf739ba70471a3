"""The verb `forensics`: which way of making AV-MNIST gives the published accuracies."""

from __future__ import annotations

from argparse import Namespace

from benchmarks import forensics as cases
from benchmarks import sweep, workspace
from benchmarks.commands.execution import execute
from benchmarks.commands.session import Say, Session
from benchmarks.commands.training import asked_execution, deadline
from benchmarks.config import load_config
from benchmarks.files import write_text
from benchmarks.record import RunRecord
from benchmarks.report.figures.forensics import forensics_figure
from benchmarks.report.tables import csv_text
from benchmarks.signals import EXIT_UNFINISHED, Stop
from benchmarks.sweep import Folders
from benchmarks.words import counted


def forensics(arguments: Namespace, say: Say) -> int:
    """Trains what is missing and writes `forensics.csv` and `.md`; 1 if a run failed."""
    config = load_config()
    folders = Folders(arguments.out or workspace.ROOT / "results" / "forensics")
    session = Session(config, cases.PROFILE, folders, say)
    seeds = arguments.seeds or session.profile.seeds
    planned = [
        experiment
        for case in cases.CASES
        for seed in range(seeds)
        for experiment in cases.experiments(config, case, seed).values()
    ]
    missing = sweep.pending(planned, folders, arguments.rerun_stale)
    runs = counted(len({e.run_id for e in planned}), "run")
    say(f"{runs} planned, {len(missing)} of them to do")
    stop = Stop(deadline(arguments.max_hours))
    status = execute(missing, session, asked_execution(arguments), stop) if missing else 0
    if status == EXIT_UNFINISHED:
        return status
    records = {e.run_id: RunRecord.load(folders.record(e.run_id)) for e in planned}
    table = cases.rows(config, records, cases.shares(config), seeds)
    write_text(folders.root / "forensics.csv", csv_text(cases.csv_lines(table)))
    write_text(folders.root / "forensics.md", cases.markdown(table))
    files = forensics_figure(table).write(folders.root / "figures")
    say(cases.markdown(table))
    say("\n  ".join([f"written: {folders.root / 'forensics.csv'} and .md", *map(str, files)]))
    return status
