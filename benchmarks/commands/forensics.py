"""The verb `forensics`: which way of making AV-MNIST gives the published accuracies."""

from __future__ import annotations

from argparse import Namespace

from benchmarks import forensics as cases
from benchmarks import sweep, workspace
from benchmarks.commands.session import Say, Session
from benchmarks.commands.training import execute
from benchmarks.config import load_config
from benchmarks.files import write_text
from benchmarks.record import RunRecord
from benchmarks.report.tables import csv_text
from benchmarks.sweep import Folders


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
    missing = sweep.pending(planned, folders)
    say(f"{len({e.run_id for e in planned})} runs planned, {len(missing)} of them to do")
    ran = execute(missing, arguments, session) if missing else []
    records = {e.run_id: RunRecord.load(folders.record(e.run_id)) for e in planned}
    table = cases.rows(config, records, cases.shares(config), seeds)
    write_text(folders.root / "forensics.csv", csv_text(cases.csv_lines(table)))
    write_text(folders.root / "forensics.md", cases.markdown(table))
    say(cases.markdown(table))
    say(f"written: {folders.root / 'forensics.csv'} and .md")
    return 1 if any(record.status == "failed" for record in ran) else 0
