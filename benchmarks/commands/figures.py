"""The verb that draws: figures."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.commands.session import Say, Session, open_session
from benchmarks.record import RunRecord
from benchmarks.sharpness_files import readable
from benchmarks.surface_file import Surface

if TYPE_CHECKING:
    from benchmarks.report.figures import Figures

PROCESSES = min(2, os.cpu_count() or 1)  # each takes as much memory as the verb itself


def figures(arguments: Namespace, say: Say) -> int:
    """Draws every figure from the records at hand and says which have nothing to show, and why."""
    session = open_session(arguments, say)
    written = draw(session, session.records(), arguments.selection)
    for name, reason in written.not_drawn.items():
        say(f"not drawn: {name}: {reason}")
    head = "Written:" if written.files else "Nothing to draw."
    say("\n  ".join([head, *map(str, written.files)]))
    return 0


def draw(session: Session, records: Sequence[RunRecord], selection: str) -> Figures:
    """Writes every figure of these records, loss surfaces included, into the figures' folder."""
    # scipy takes half a second to import: other verbs should not wait for it.
    from benchmarks.report.figures import make_figures, write_figures
    from benchmarks.report.figures.surface import surface_figures

    config, root = session.config, session.folders.root
    suites = [name for name, suite in config.suites.items() if suite.source == "paper"]
    cells = {suite: session.cells(suite) for suite in suites}
    surfaces = readable(Surface.load, sorted((root / "landscape").glob("*.csv")), session.say)
    made = make_figures(config, session.profile_name, cells, records, selection)
    made += surface_figures(config, records, surfaces)
    return write_figures(made, root / "figures", PROCESSES)
