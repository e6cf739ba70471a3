"""The verb `data`: what is prepared, prepare it, where it comes from."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from benchmarks import workspace
from benchmarks.commands.session import Say
from benchmarks.config import load_config, lookup
from datasets import registry, sources
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
    say(f"data folder: {workspace.data_folder()}")
    for name in load_config().datasets:
        if name not in registry.LOADERS:
            say(f"  {name:<8} no loader for this dataset yet")
            continue
        real = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=False))
        say(f"  {name:<8} real      {real.state}: {real.detail}")
        made = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=True))
        later = "the demo profile generates it when it needs it"
        detail = later if made.state == "missing" else made.detail
        say(f"  {name:<8} stand-in  {made.state}: {detail}")


def _prepare(arguments: Namespace, say: Say) -> None:
    if not arguments.name:
        raise ValueError(f"name the dataset to prepare: {', '.join(registry.LOADERS)}")
    lookup("dataset", arguments.name, load_config().datasets)
    raw = arguments.raw or [Path(p) for p in [os.environ.get("MSAM_RAW_DIR")] if p]
    folder = workspace.prepared_folder(arguments.name, stand_in=False)
    with stage_progress(say) as progress:
        report = registry.prepare(
            arguments.name, raw, folder, progress=progress, force=arguments.force
        )
    say(str(report))


def _sources(arguments: Namespace, say: Say) -> None:
    for source in sources.SOURCES:
        say(sources.describe(source))


@contextmanager
def stage_progress(say: Say) -> Iterator[Callable[[str, int, int], None]]:
    """A callback (stage, done, total): a bar per stage on a terminal, else a line per stage."""
    interactive = sys.stderr.isatty()
    bars: dict[str, tqdm] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, total=total or None, disable=not interactive)
            if not interactive:
                say(stage)
        bars[stage].update(done - bars[stage].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
