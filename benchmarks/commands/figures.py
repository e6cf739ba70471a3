"""The verb that draws: figures."""

from __future__ import annotations

from argparse import Namespace

from benchmarks.commands.session import Say, open_session


def figures(arguments: Namespace, say: Say) -> int:
    """Draws every figure from the records at hand and says which have nothing to show, and why."""
    from benchmarks.report.figures import write_figures  # scipy takes half a second to import

    session = open_session(arguments, say)
    written = write_figures(
        session.config,
        session.profile_name,
        {suite: session.cells(suite) for suite in session.config.suites},
        session.records(),
        session.folders.root / "figures",
        arguments.selection,
    )
    for name, reason in written.not_drawn.items():
        say(f"not drawn: {name}: {reason}")
    say(
        "\n  ".join(["Written:" if written.files else "Nothing to draw.", *map(str, written.files)])
    )
    return 0
