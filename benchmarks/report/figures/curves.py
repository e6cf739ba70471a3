"""Curves over epochs: overfitting gap, accuracy, contributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.record import RunRecord
from benchmarks.report.evidence import Evidence
from benchmarks.report.figures.spread import T_INTERVAL, spreads
from benchmarks.report.protocol import is_published

EpochEntry = Mapping[str, Any]  # of a record's history
Reading = Callable[[EpochEntry, str], float | None]


@dataclass(frozen=True)
class CurvePoint:
    """Mean over the `n` of a cell's `runs` that reached this epoch and have this number."""

    suite: str
    dataset: str
    output: str  # `mm` or a modality
    row: str
    epoch: int
    runs: int
    n: int
    mean: float
    low: float
    high: float
    spread: str
    stand_in: bool
    published_protocol: bool


def overfitting_gap(entry: EpochEntry, output: str) -> float | None:
    """tau = |train - test| / test of the accuracy, Eq. 1; None where the test accuracy is 0.

    The train accuracy is the online mean over the epoch's batches: of weights that still change,
    in training mode. Records have no other.
    """
    train, test = (entry.get(part, {}).get(f"acc_{output}") for part in ("train", "test"))
    return abs(train - test) / test if train is not None and test else None


def test_accuracy(entry: EpochEntry, output: str) -> float | None:
    """The test accuracy in percent."""
    fraction = entry["test"].get(f"acc_{output}")
    return None if fraction is None else 100 * fraction


def contribution(entry: EpochEntry, output: str) -> float | None:
    """nu_m of Eq. 20, the mean over the epoch's batches, for methods that report it."""
    return entry.get("train", {}).get(f"contribution_{output}")


def curve(suite: str, found: Evidence, output: str, reading: Reading) -> list[CurvePoint]:
    """One row's points; none where no run has the number. Runs may differ in length."""
    runs, cell = counted(found), found.cell
    values = [[_number(reading(e, output)) for e in run.history] for run in runs]
    labels = found.stand_in, is_published(runs)
    return [
        CurvePoint(
            suite, cell.dataset, output, cell.row.label, epoch, len(values),
            s.n, s.mean, s.low, s.high, s.kind, *labels,
        )
        for epoch, s in enumerate(spreads(values), 1)
        if s.n
    ]  # fmt: skip


def counted(found: Evidence) -> list[RunRecord]:
    """The runs of a cell on all modalities that count; a Single row is no method."""
    return [] if found.cell.row.modalities else [run for run in found.done if run.history]


def caption(points: Sequence[CurvePoint]) -> str:
    """How to read mean, band and ends of these curves."""
    kinds = {p.spread for p in points}
    bands = [
        "bands show the 95 % t interval of the mean" * (T_INTERVAL in kinds),
        "bands of two runs show their range" * ("min to max" in kinds),
    ]
    text = ["Lines are means over runs with different seeds (their number in brackets)"]
    sentences = "; ".join(text + [band for band in bands if band]) + "."
    if any(p.n < p.runs for p in points):
        sentences += " A line is pale and without a band from where not all of its runs go on."
    return sentences


def _number(value: float | None) -> float:
    return math.nan if value is None else value
