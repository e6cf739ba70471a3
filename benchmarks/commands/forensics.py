"""The verb `forensics`: which way of making AV-MNIST gives the published accuracies."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence

from benchmarks import forensics as cases
from benchmarks import sweep, workspace
from benchmarks.commands.execution import execute
from benchmarks.commands.session import Say, Session
from benchmarks.commands.training import asked_execution, deadline
from benchmarks.config import load_config
from benchmarks.files import write_json, write_text
from benchmarks.record import RunRecord
from benchmarks.report.compute import write_compute
from benchmarks.report.figures.forensics import forensics_figure
from benchmarks.report.tables import csv_text
from benchmarks.signals import EXIT_UNFINISHED, Stop
from benchmarks.sweep import Folders
from benchmarks.words import counted

SHARES = "shares.json"  # beside the table: what it says of the data, for those without the data


def forensics(arguments: Namespace, say: Say) -> int:
    """Trains what is missing and writes `forensics.csv` and `.md`; 1 if a run failed.

    Where the data is not prepared, the table is made from the records at hand alone.
    """
    config = load_config()
    folders = Folders(arguments.out or workspace.ROOT / "results" / "forensics")
    session = Session(config, cases.PROFILE, folders, say)
    seeds = arguments.seeds or session.profile.seeds
    if not cases.is_prepared(config) and (folders.root / SHARES).exists():
        say("the data is not prepared: this is the table of the records at hand")
        _write(session, session.records(), seeds)
        return 0
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
    write_json(folders.root / SHARES, cases.shares(config))
    _write(session, [RunRecord.load(folders.record(e.run_id)) for e in planned], seeds)
    return status


def _write(session: Session, records: Sequence[RunRecord], seeds: int) -> None:
    root = session.folders.root
    shares = json.loads((root / SHARES).read_text(encoding="utf-8"))
    table = cases.rows(session.config, records, shares, seeds)
    write_text(root / "forensics.csv", csv_text(cases.csv_lines(table)))
    write_text(root / "forensics.md", cases.markdown(table))
    write_compute(records, {}, root / "compute.csv")
    files = forensics_figure(table).write(root / "figures")
    session.say(cases.markdown(table))
    session.say("\n  ".join([f"written: {root / 'forensics.csv'} and .md", *map(str, files)]))
