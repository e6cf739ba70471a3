"""The committed result tables, as the documents read them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from benchmarks.configs.load import load_config
from benchmarks.configs.schema import Config

Line = Mapping[str, str]  # of a CSV file: {column: text}

TABLES = ("table1", "table2")
PROFILES = ("paper", "short", "pilot")  # whose runs count, the best evidence first
SMALL = "pilot"  # the profile of small networks


@cache
def config() -> Config:
    """The configs, read once."""
    return load_config()


def read_lines(path: Path) -> list[Line]:
    """The lines of a CSV file with a header; none without the file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def fused_lines(results: Path, profile: str, name: str, suites: Collection[str]) -> list[Line]:
    """The lines of `comparison.csv` or `significance.csv` about fused accuracy in these tables."""
    lines = read_lines(results / profile / "tables" / f"{name}.csv")
    return [
        line
        for line in lines
        if line["suite"] in suites
        and "acc_mm" in (line.get("metric"), line.get("column", "").partition(":")[2])
    ]


def fused_tests(
    results: Path, profile: str, suites: Collection[str], reference: str | None = None
) -> list[Line]:
    """The paired tests of fused accuracy against all references, or against this method."""
    lines = fused_lines(results, profile, "significance", suites)
    return [line for line in lines if reference in (None, line["reference_method"])]


def best_tests(results: Path, reference: str) -> tuple[str, list[Line]]:
    """(profile, tests in the paper's tables against a reference) of the best evidence.

    A profile with tests comes before one with runs alone.
    """
    found = {name: fused_tests(results, name, TABLES, reference) for name in PROFILES}
    tested = [name for name, lines in found.items() if any(line["p"] for line in lines)]
    run = [name for name, lines in found.items() if lines]
    profile = (tested or run or PROFILES[-1:])[0]
    return profile, found[profile]


def by_dataset(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """{label of a dataset: its lines}."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        name = line.get("dataset") or line["column"].partition(":")[0]
        groups.setdefault(config().datasets[name].label, []).append(line)
    return groups


def with_interval(line: Line, sign: int = 1) -> str:
    """`+0.21 (-0.10 to +0.52)`: the difference in points with its 95 % interval.

    Reference minus row, as the file has it; with `sign=-1` row minus reference.
    """
    values = [sign * float(line[name]) for name in ("difference", "ci_low", "ci_high")]
    return f"{values[0]:+.2f} ({min(values[1:]):+.2f} to {max(values[1:]):+.2f})"
