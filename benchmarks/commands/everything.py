"""The verb all: both tables, then the report."""

from __future__ import annotations

from argparse import Namespace

from benchmarks.commands.reporting import report
from benchmarks.commands.session import Say, open_session
from benchmarks.commands.training import table
from benchmarks.signals import EXIT_UNFINISHED


def everything(arguments: Namespace, say: Say) -> int:
    """Trains what is missing of the paper's tables and writes the report.

    Exit status 1 if a run failed, 75 if some are left, and then without a report; there is none
    either where Slurm does the work.
    """
    session = open_session(arguments, say)
    words = vars(arguments) | {"profile": session.profile_name}
    statuses = []
    papers = [name for name, suite in session.config.suites.items() if suite.source == "paper"]
    for suite in papers:
        statuses.append(table(Namespace(**words | {"verb": suite}), say))
        if statuses[-1] == EXIT_UNFINISHED:
            return EXIT_UNFINISHED
    if not arguments.dry_run and arguments.executor == "local":
        report(Namespace(**words), say)
    return max(statuses)
