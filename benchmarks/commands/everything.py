"""The verb all: both tables, then the report."""

from __future__ import annotations

from argparse import Namespace

from benchmarks.commands.reporting import report
from benchmarks.commands.session import Say, open_session
from benchmarks.commands.training import table


def everything(arguments: Namespace, say: Say) -> int:
    """Trains what is missing of every table and writes the report; 1 if a run failed."""
    session = open_session(arguments, say)
    words = vars(arguments) | {"profile": session.profile_name}
    failed = [table(Namespace(**words | {"verb": s}), say) for s in session.config.suites]
    if not arguments.dry_run:
        report(Namespace(**words), say)
    return max(failed)
