"""The parts of `bench`, in the order in which they run."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.bench.bare import bare
from benchmarks.bench.growth import growth
from benchmarks.bench.library import library
from benchmarks.bench.memory import memory
from benchmarks.bench.modes import capture, determinism, precision
from benchmarks.bench.naive import naive
from benchmarks.bench.packing import packing
from benchmarks.bench.steps import steps, steps_ave, steps_cremad, steps_small, steps_urfunny
from benchmarks.bench.timing import Setting
from benchmarks.configs.checks import unknown_words
from benchmarks.executors.progress import pick_device
from benchmarks.plan.measurements import OWN
from benchmarks.plan.networks import OPTIONAL
from benchmarks.records.files import write_json, write_text
from benchmarks.training.environment import describe_environment

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
    "steps_cremad": steps_cremad,
    "steps_urfunny": steps_urfunny,
    "steps_ave": steps_ave,
}


def bench(arguments: Namespace, say: Callable[[str], None]) -> int:
    """Measures each part, prints its table and writes it to `--out`, or for this machine."""
    problems = unknown_words("part", arguments.parts, PARTS)
    if arguments.rounds < 1:
        problems.append(f"--rounds is {arguments.rounds}; it must be at least 1")
    if problems:
        raise ValueError("\n  ".join(problems))
    setting = Setting(pick_device(arguments.device), arguments.rounds)
    environment = describe_environment(setting.device)
    folder: Path = arguments.out or OWN
    say(f"{environment['device']}, {environment['threads']} threads, {setting.rounds} rounds")
    for part in arguments.parts or [p for p in PARTS if p not in OPTIONAL]:
        before = os.getloadavg()[0]
        rows = PARTS[part](setting)
        load = {"load_average": [before, os.getloadavg()[0]]}
        table = as_table(rows)
        say(f"\n{PARTS[part].__doc__.splitlines()[0]}\n{table}")
        facts = {"environment": environment, "rounds": setting.rounds, **load}
        write_json(folder / f"{part}.json", {"rows": rows, **facts})
        write_text(folder / f"{part}.md", table + "\n")
    say(f"written to {folder}")
    return 0


def as_table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table, numbers with three decimals, nothing where there is no value."""
    return tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3f", missingval="")
