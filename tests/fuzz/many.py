"""Thousands of damaged files for every reader: `python -m tests.fuzz.many --examples 10000`.

Each reader works in a process of its own with limited memory, so that a crash is seen too. Input n
of a reader is the same in every run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.fuzz.damage import Edit, damaged_bytes, damaged_tree, random_edits
from tests.fuzz.targets import targets
from tests.fuzz.verdict import Target, complaint

MEMORY_BYTES = 4 << 30


def damaged(target: Target, edits: Sequence[Edit]) -> bytes:
    """A damaged file for the target."""
    if target.pack is None:
        return damaged_bytes(target.content, edits)
    damage = damaged_bytes if isinstance(target.tree, bytes) else damaged_tree
    return target.pack(damage(target.tree, edits))


def attack(target: Target, count: int, folder: Path, found: Path, first: int = 0) -> None:
    """Inputs `first` to `count`; writes what is wrong with each into `found`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with found.open("a", encoding="utf-8") as report:
        for number in range(first, count):
            edits = random_edits(Random(f"{target.name}/{number}"))
            if problem := complaint(target, damaged(target, edits), folder):
                report.write(f"{number}: {problem}\n".replace("\n", " ").rstrip() + "\n")
                report.flush()


def main() -> int:
    """Exit status 1 if a reader failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000, help="in total")
    parser.add_argument("--only", default="", help="a part of the readers' names")
    arguments = parser.parse_args()
    chosen = [target for target in targets() if arguments.only in target.name]
    count, bad, started = -(-arguments.examples // len(chosen)), 0, time.monotonic()
    for target in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "found.txt"
            found.touch()
            place = Path(folder) / "files"
            place.mkdir()
            fork = multiprocessing.get_context("fork")
            process = fork.Process(target=attack, args=(target, count, place, found))
            process.start()
            process.join()
            problems = found.read_text(encoding="utf-8").splitlines()
        if process.exitcode:
            problems.append(f"?: the process ended with {process.exitcode}")
        bad += len(problems)
        sys.stdout.write(f"{target.name:<28} {count} inputs, {len(problems)} wrong\n")
        for text, times in Counter(p.partition(": ")[2][:100] for p in problems).most_common(8):
            sys.stdout.write(f"    {times} x {text}\n")
        sys.stdout.flush()
    seconds = time.monotonic() - started
    sys.stdout.write(f"{count * len(chosen)} inputs, {bad} wrong, {seconds:.0f} s\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
