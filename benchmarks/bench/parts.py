"""The parts of `bench`, in the order in which they run."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.bench.bare import bare
from benchmarks.bench.library import library
from benchmarks.bench.memory import memory
from benchmarks.bench.modes import capture, determinism, precision
from benchmarks.bench.naive import naive
from benchmarks.bench.scaling import growth, packing
from benchmarks.bench.steps import steps, steps_of, steps_small
from benchmarks.bench.timing import Setting
from benchmarks.configs.load import unknown_words
from benchmarks.executors.devices import pick_device
from benchmarks.exit_status import Exit
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.measurements import OWN
from benchmarks.plan.networks import optional_parts
from benchmarks.records.files import write_json, write_text
from benchmarks.training.environment import describe_environment
from benchmarks.training.numerics import cpu_threads

PARTS = {
    "steps": steps,
    "steps_small": steps_small,
    "bare": bare,
    "naive": naive,
    "growth": growth,
    "library": library,
    "capture": capture,
    "precision": precision,
    "determinism": determinism,
    "packing": packing,
    "memory": memory,
    **{part: steps_of(part) for part in optional_parts()},
}


def bench(arguments: Namespace, say: Callable[[str], None]) -> Exit:
    """Measures each part with the threads of a run, prints its table and writes it to a folder.

    ValueError, listing every mistake, for words that are unknown.
    """
    problems = unknown_words("part", arguments.parts, PARTS)
    if arguments.rounds < 1:
        problems.append(f"--rounds is {arguments.rounds}; it must be at least 1")
    if problems:
        raise ValueError("\n  ".join(problems))
    setting = Setting(pick_device(arguments.device), arguments.rounds)
    with cpu_threads(Experiment.threads):
        _measure(arguments, setting, say)
    return Exit.FINE


def _measure(arguments: Namespace, setting: Setting, say: Callable[[str], None]) -> None:
    environment = describe_environment(setting.device)
    folder: Path = arguments.out or OWN
    say(f"{environment['device']}, {environment['threads']} threads, {setting.rounds} rounds")
    for part in arguments.parts or [p for p in PARTS if p not in optional_parts()]:
        before = os.getloadavg()[0]
        rows = PARTS[part](setting)
        load = {"load_average": [before, os.getloadavg()[0]]}
        table = as_table(rows)
        say(f"\n{PARTS[part].__doc__.splitlines()[0]}\n{table}")  # type: ignore[union-attr]
        facts = {"environment": environment, "rounds": setting.rounds, **load}
        write_json(folder / f"{part}.json", {"rows": rows, **facts})
        write_text(folder / f"{part}.md", table + "\n")
    say(f"written to {folder}")


def as_table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table; numbers have three decimals, and missing values are empty."""
    return tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f", missingval="")
