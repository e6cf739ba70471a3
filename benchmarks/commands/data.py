"""The verb `data`: what is prepared, prepare it, what leaks in it, where it comes from."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from benchmarks import workspace
from benchmarks.commands import data_text
from benchmarks.commands.session import Say
from benchmarks.config import load_config, lookup
from benchmarks.files import write_json
from datasets import registry
from msam.parameters import nearest


def data(arguments: Namespace, say: Say) -> int:
    """data status [NAME ...], data prepare NAME, data audit [NAME ...], data sources [NAME ...]."""
    actions = {"status": _status, "prepare": _prepare, "audit": _audit, "sources": _sources}
    if arguments.action not in actions:
        hint = nearest(arguments.action, actions)
        raise ValueError(f"no action '{arguments.action}'{hint}; known: {', '.join(actions)}")
    for name in arguments.names:
        lookup("dataset", name, load_config().datasets)
    if arguments.out and arguments.action != "audit":
        raise ValueError(f"--out is for data audit; data {arguments.action} writes no file")
    actions[arguments.action](arguments, say)
    return 0


def _status(arguments: Namespace, say: Say) -> None:
    say(f"data folder: {workspace.data_folder()}")
    for name in arguments.names or load_config().datasets:
        say(f"  {name:<8} protocols {', '.join(registry.protocols(name))}")
        real = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=False))
        say(f"  {'':<8} real      {real.state}: {real.detail}")
        made = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=True))
        later = "the demo profile generates it when it needs it"
        detail = later if made.state == "missing" else made.detail
        say(f"  {'':<8} stand-in  {made.state}: {detail}")


def _prepare(arguments: Namespace, say: Say) -> None:
    if len(arguments.names) != 1:
        problem = "prepare one at a time" if arguments.names else "name the dataset to prepare"
        raise ValueError(f"{problem}: {', '.join(registry.LOADERS)}")
    (name,) = arguments.names
    folder = workspace.prepared_folder(name, stand_in=False)
    with stage_progress(say) as progress:
        report = registry.prepare(
            name, _raw_places(arguments), folder, progress=progress, force=arguments.force
        )
    say(str(report))


def _audit(arguments: Namespace, say: Say) -> None:
    from datasets.audit import audit  # numpy, which no other action needs

    found = {}
    for name in arguments.names or load_config().datasets:
        fetched = workspace.data_folder() / "raw" / name
        places = _raw_places(arguments) or [place for place in [fetched] if place.is_dir()]
        found[name] = audit(name, places, workspace.prepared_folder(name, stand_in=False))
        say(data_text.audited(load_config().datasets[name].label, found[name]))
    if arguments.out:
        findings = {name: [asdict(one) for one in answers] for name, answers in found.items()}
        write_json(arguments.out, {"format": 1, "findings": findings})
        say(f"written: {arguments.out}")


def _sources(arguments: Namespace, say: Say) -> None:
    for name in arguments.names or load_config().datasets:
        say(data_text.sources(name, load_config().datasets[name].label))


def _raw_places(arguments: Namespace) -> list[Path]:
    """What `--raw` names, else MSAM_RAW_DIR, else nothing."""
    return arguments.raw or [Path(p) for p in [os.environ.get("MSAM_RAW_DIR")] if p]


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
