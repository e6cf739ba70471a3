"""The verb `data`: what is prepared, prepare it, where it comes from."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from benchmarks import workspace
from benchmarks.commands.session import Say
from benchmarks.config import load_config, lookup
from msam.parameters import nearest


def data(arguments: Namespace, say: Say) -> int:
    """data status, data prepare NAME, data sources."""
    actions = {"status": _status, "prepare": _prepare, "sources": _sources}
    if arguments.action not in actions:
        hint = nearest(arguments.action, actions)
        raise ValueError(f"no action '{arguments.action}'{hint}; known: {', '.join(actions)}")
    actions[arguments.action](arguments, say)
    return 0


def _status(arguments: Namespace, say: Say) -> None:
    from datasets import registry

    say(f"data folder: {workspace.data_folder()}")
    for name in load_config().datasets:
        if name not in registry.LOADERS:
            say(f"  {name:<8} no loader for this dataset yet")
            continue
        for stand_in in (False, True):
            state = registry.prepared_state(name, workspace.prepared_folder(name, stand_in))
            kind = "stand-in" if stand_in else "real"
            say(f"  {name:<8} {kind:<8} {state.state}: {state.detail}")


def _prepare(arguments: Namespace, say: Say) -> None:
    from datasets import registry

    if not arguments.name:
        raise ValueError(f"name the dataset to prepare: {', '.join(registry.LOADERS)}")
    lookup("dataset", arguments.name, load_config().datasets)
    raw = arguments.raw or [Path(p) for p in [os.environ.get("MSAM_RAW_DIR")] if p]
    folder = workspace.prepared_folder(arguments.name, stand_in=False)
    report = registry.prepare(arguments.name, raw, folder, progress=say, force=arguments.force)
    say(str(report))


def _sources(arguments: Namespace, say: Say) -> None:
    from datasets import sources

    say(str(sources))
