"""Rows of a column against each other: paired tests on the stored predictions.

In every column the paper's method, or the best row without it, is tested against each other row.
Rows whose training labels are wrong are compared with rows that have as many wrong labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.paired import mcnemar, paired_bootstrap
from benchmarks.report.statistics import holm
from benchmarks.report.tables.entry import Entry
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

SUBJECT = "msam"  # the paper's method, the reference of every column that it is in
FEWEST_SEEDS = 3  # with two, the test finds differences that are not there too often
LEVEL = 0.05


@dataclass(frozen=True)
class Contrast:
    """`first` minus `second` in percentage points, over the seeds that both have.

    `low` and `high` bound the 95 % interval, `p` is of the paired bootstrap over seeds and test
    samples, `adjusted` is p after Holm over the column. `mcnemar` holds the mid-p of each seed, and
    nothing for data with several predictions per sample. Without a test, `reason` says why and the
    numbers are NaN.
    """

    first: Entry
    second: Entry
    seeds: tuple[int, ...] = ()
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    adjusted: float = math.nan
    mcnemar: tuple[float, ...] = ()
    reason: str = ""

    @property
    def significant(self) -> bool:
        """True if the difference is significant at 5 % after Holm's correction."""
        return self.adjusted < LEVEL


def contrasts(
    entries: Sequence[Entry], predictions: Predictions, selection: str
) -> dict[tuple[str, str], Contrast]:
    """Under (row, column): that row's reference against it, Holm within the column."""
    found = {}
    for column in dict.fromkeys(e.column for e in entries):
        measured = [e for e in entries if e.column == column and e.measured]
        tests = [contrast(*pair, predictions, selection) for pair in _pairs(measured)]
        found |= {(c.second.row, column): c for c in adjust(tests)}
    return found


def contrast(first: Entry, second: Entry, predictions: Predictions, selection: str) -> Contrast:
    """The test of two entries of one column; `selection` names the rule of the reported epoch."""
    seeds = tuple(sorted({*first.seeds} & {*second.seeds}))
    if reason := _obstacle(first, second, seeds):
        return Contrast(first, second, seeds, reason=reason)
    runs = [[r for r in e.runs if r.experiment.seed in seeds] for e in (first, second)]
    try:
        _check_samples([*runs[0], *runs[1]], predictions)
        output = first.metric.removeprefix("acc_")
        ours, theirs = (_matrix(each, output, predictions, selection) for each in runs)
    except ValueError as error:
        return Contrast(first, second, seeds, reason=str(error))
    result = paired_bootstrap(ours, theirs)
    segmented = any(run.data.get("segments", 1) > 1 for run in first.runs)
    pairs = () if segmented else zip(ours, theirs, strict=True)
    return Contrast(
        first,
        second,
        seeds,
        difference=100 * result.difference,
        low=100 * result.low,
        high=100 * result.high,
        p=result.p,
        mcnemar=tuple(mcnemar(a, b) for a, b in pairs),
    )


def adjust(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts with `adjusted` set: Holm over all that have a p."""
    adjusted = holm([c.p for c in contrasts])
    return [replace(c, adjusted=p) for c, p in zip(contrasts, adjusted, strict=True)]


def _pairs(measured: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Each row of a column behind its reference."""
    for noise in dict.fromkeys(e.label_noise for e in measured):
        peers = [e for e in measured if e.label_noise == noise]
        reference = next(filter(_is_subject, peers), None) or max(peers, key=lambda e: e.mean)
        yield from ((reference, e) for e in peers if e is not reference)


def _is_subject(entry: Entry) -> bool:
    """True for the method as published: the best of its variants would be chosen on test data."""
    row = entry.cell.row
    return row.method == SUBJECT and not row.modalities and row.changes.keys() <= {LABEL_NOISE}


def _obstacle(first: Entry, second: Entry, seeds: Sequence[int]) -> str:
    """What forbids a test of these entries; empty if nothing does."""
    if first.stand_in or second.stand_in:
        return "stand-in data"
    if first.mixed or second.mixed:
        return "mixed data"
    if len({run.data.get("fingerprint") for run in (*first.runs, *second.runs)}) > 1:
        return "the rows saw different data"
    if len(seeds) < FEWEST_SEEDS:
        return f"common seeds: {len(seeds)}; a test needs {FEWEST_SEEDS}"
    return ""


def _check_samples(runs: Sequence[RunRecord], predictions: Predictions) -> None:
    first, *others = (predictions.labels(run) for run in runs)
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError("the runs have different test samples")


def _matrix(
    runs: Sequence[RunRecord], output: str, predictions: Predictions, selection: str
) -> np.ndarray:
    """(S, N): what part of each test sample each run got right at its reported epoch."""
    epochs = [choose(selection, run.history)["epoch"] for run in runs]
    pairs = zip(runs, epochs, strict=True)
    return np.stack([predictions.correct(run, epoch, output) for run, epoch in pairs])
