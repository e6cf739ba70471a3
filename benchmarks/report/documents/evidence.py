"""The committed result tables, as the documents read them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.configs.load import load_config
from benchmarks.report.tables.contrast import REFERENCES

Line = Mapping[str, str]  # of a CSV file: {column: text}

TABLES = ("table1", "table2")
PROFILES = ("paper", "short", "pilot")  # whose runs count, the best evidence first
SMALL = "pilot"  # the profile of small networks


def read_lines(path: Path) -> list[Line]:
    """The lines of a CSV file with a header; none without the file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def label(method: str) -> str:
    """The name of a method in tables."""
    return load_config().methods[method].label


def reference_labels() -> list[str]:
    """The references of the paired tests, the paper's method last."""
    return [label(method) for method in reversed(REFERENCES)]


def fused_tests(
    results: Path, profile: str, suites: Collection[str], reference: str | None = None
) -> list[Line]:
    """The lines of a profile's `significance.csv` about fused accuracy, for all references or the
    one with this label."""
    return [
        line
        for line in read_lines(results / profile / "tables" / "significance.csv")
        if line["suite"] in suites
        and line["column"].endswith(":acc_mm")
        and reference in (None, line["reference"])
    ]


def best_tests(results: Path, reference: str) -> tuple[str, list[Line]]:
    """(profile, tests in the paper's tables against a reference) of the first profile with any."""
    for profile in PROFILES:
        if lines := fused_tests(results, profile, TABLES, reference):
            return profile, lines
    return PROFILES[-1], []


def row_minus_reference(line: Line) -> str:
    """`+0.21 (-0.10 to +0.52)`: the difference in points with its 95 % interval."""
    difference, low, high = (-float(line[name]) for name in ("difference", "ci_high", "ci_low"))
    return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"


def reference_minus_row(line: Line) -> str:
    """The same with the other sign, as `significance.csv` has it."""
    difference, low, high = (float(line[name]) for name in ("difference", "ci_low", "ci_high"))
    return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"
