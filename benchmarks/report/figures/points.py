"""Numbers at the reported epoch: gains over Joint-Train, single seeds, accuracy against cost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.records.record import RunRecord
from benchmarks.report.figures.spread import DECIMALS, spread
from benchmarks.report.tables.entry import Entry

BASELINE = "joint_train"  # of Eq. 21, and of the cost


@dataclass(frozen=True)
class GainPoint:
    """Relative gain in percent, Eq. 21; `paper` is that of the paper's printed accuracies."""

    suite: str
    dataset: str
    output: str
    row: str
    runs: int
    mean: float
    low: float
    high: float
    spread: str
    paper: float
    stand_in: bool
    published_protocol: bool


@dataclass(frozen=True)
class SeedPoint:
    """One run's accuracy in percent, with mean and spread of its row."""

    suite: str
    dataset: str
    output: str
    row: str
    seed: int
    accuracy: float
    runs: int
    mean: float
    low: float
    high: float
    spread: str
    paper: float
    stand_in: bool
    published_protocol: bool


@dataclass(frozen=True)
class CostPoint:
    """Fused accuracy in percent, and seconds per epoch over those of Joint-Train."""

    suite: str
    dataset: str
    output: str
    row: str
    hardware: str
    runs: int
    seconds: float
    cost: float
    cost_low: float
    cost_high: float
    accuracy: float
    low: float
    high: float
    spread: str
    stand_in: bool
    published_protocol: bool


def gains(suite: str, entries: Sequence[Entry]) -> Iterator[GainPoint]:
    """The gains of all methods over Joint-Train, seed by seed.

    Under one seed all methods see the same batches, so each run is compared with the baseline's
    run of its seed; runs without such a partner are not in it.
    """
    for baseline, entry in _with_baseline(entries):
        partners = dict(zip(baseline.seeds, baseline.values, strict=True))
        pairs = zip(entry.seeds, entry.values, strict=True)
        values = [relative_gain(v, partners[s]) for s, v in pairs if partners.get(s)]
        if entry is baseline or not values:
            continue
        s = spread(values)
        paper = math.nan if entry.stand_in else relative_gain(entry.paper, baseline.paper)
        yield GainPoint(
            suite, entry.cell.dataset, "mm", entry.row, s.n, s.mean, s.low, s.high, s.kind,
            round(paper, DECIMALS), entry.stand_in or baseline.stand_in,
            entry.published_protocol or baseline.published_protocol,
        )  # fmt: skip


def relative_gain(accuracy: float, baseline: float) -> float:
    """Eq. 21 in percent."""
    return 100 * (accuracy - baseline) / baseline


def seeds(suite: str, entries: Iterable[Entry]) -> Iterator[SeedPoint]:
    """Every run of every row, Single rows included."""
    for entry in (e for e in entries if e.measured):
        s = spread(entry.values)
        paper = math.nan if entry.stand_in else entry.paper
        for seed, value in zip(entry.seeds, entry.values, strict=True):
            yield SeedPoint(
                suite, entry.cell.dataset, entry.metric.removeprefix("acc_"), entry.row, seed,
                round(value, DECIMALS), s.n, s.mean, s.low, s.high, s.kind, paper, entry.stand_in,
                entry.published_protocol,
            )  # fmt: skip


def costs(suite: str, entries: Sequence[Entry]) -> Iterator[CostPoint]:
    """One point per row and hardware on which Joint-Train ran, too."""
    for baseline, entry in _with_baseline(entries):
        references = _by_hardware(baseline)
        for hardware, timed in _by_hardware(entry).items():
            if hardware not in references:
                continue
            reference = fmean(seconds for seconds, _ in references[hardware])
            cost = spread([seconds / reference for seconds, _ in timed])
            s = spread([accuracy for _, accuracy in timed])
            yield CostPoint(
                suite, entry.cell.dataset, "mm", entry.row, hardware, s.n,
                round(fmean(seconds for seconds, _ in timed), DECIMALS),
                cost.mean, cost.low, cost.high, s.mean, s.low, s.high, s.kind, entry.stand_in,
                entry.published_protocol,
            )  # fmt: skip


def _with_baseline(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """The fused entries of each dataset, each with Joint-Train's of as many wrong labels."""
    fused = [e for e in entries if e.metric == "acc_mm" and e.measured]
    baselines = {_task(e): e for e in fused if e.cell.row.method == BASELINE}
    for entry in fused:
        if _task(entry) in baselines:
            yield baselines[_task(entry)], entry


def _task(entry: Entry) -> tuple[str, int]:
    return entry.cell.dataset, entry.label_noise


def _by_hardware(entry: Entry) -> dict[str, list[tuple[float, float]]]:
    """(seconds per epoch, accuracy) of the runs whose times and machine are known."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run, accuracy in zip(entry.runs, entry.values, strict=True):
        seconds, device = run.timing.get("epoch_seconds"), run.environment.get("device")
        if seconds and device:
            found[_hardware(run)].append((fmean(seconds), accuracy))
    return found


def _hardware(run: RunRecord) -> str:
    threads = run.environment.get("threads")
    return run.environment["device"] + (f", {threads} threads" if threads else "")
