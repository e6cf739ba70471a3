"""The verb `bench`: the parts asked for, each a table and a JSON file."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.bench.networks import OPTIONAL
from benchmarks.bench.parts import PARTS
from benchmarks.bench.timing import Setting
from benchmarks.environment import describe_environment
from benchmarks.files import write_json, write_text
from benchmarks.measured import OWN
from benchmarks.progress import pick_device
from benchmarks.words import unknown_words


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
