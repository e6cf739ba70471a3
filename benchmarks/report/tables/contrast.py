"""Rows of a column against each other: paired tests on the stored predictions.

M-SAM, SAM and Joint-Train are references: each is tested against every other row of its column, for
a difference and for equivalence. Every pair of rows is tested for the ranks, so that the best row
may be chosen on the same data. Rows are compared with rows of the same fusion that have as many
wrong training labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.rules.cell import LEVEL, MARGIN
from benchmarks.report.rules.paired import paired_test
from benchmarks.report.rules.ranking import Ranking, rank
from benchmarks.report.statistics import holm
from benchmarks.report.tables.entry import Entry
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

SUBJECT = "msam"  # the paper's method: the arrows of the tables are about it
REFERENCES = (SUBJECT, "sam", "joint_train")  # methods, each tested against all other rows
FEWEST_SEEDS = 3  # with two, too many of the differences found are false alarms


@dataclass(frozen=True)
class Contrast:
    """`first` minus `second` in percentage points, over the planned seeds that both have.

    `low` and `high` bound the 95 % interval, `p` is of the paired test over seeds and test samples,
    `adjusted` is p after Holm over the tests of one reference in a column. `equivalence_p` is of
    two one-sided tests that the expected difference is within MARGIN, and `within` is the smallest
    margin at which they would say so at 5 %. Without a test, `reason` says why and the numbers are
    NaN.
    """

    first: Entry
    second: Entry
    seeds: tuple[int, ...] = ()
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    adjusted: float = math.nan
    equivalence_p: float = math.nan
    within: float = math.nan
    reason: str = ""

    @property
    def significant(self) -> bool:
        """True if the difference is significant at 5 % after Holm's correction."""
        return self.adjusted < LEVEL

    @property
    def equivalent(self) -> bool:
        """True if the expected difference is within MARGIN, at 5 %."""
        return self.equivalence_p < LEVEL

    @property
    def of_subject(self) -> bool:
        """True if `first` is the paper's method."""
        return _is(SUBJECT, self.first)


@dataclass(frozen=True)
class Ranks:
    """The ranks of a column's rows among those with as many wrong labels and the same fusion.

    `unranked` are the rows without a rank; `reason` says why there are no ranks at all.
    """

    column: str
    label_noise: int
    fusion: str
    unranked: tuple[str, ...] = ()
    ranking: Ranking = field(default_factory=lambda: Ranking({}, {}))
    reason: str = ""


def contrasts(entries: Sequence[Entry], predictions: Predictions, selection: str) -> list[Contrast]:
    """Every reference against the other rows, Holm within column and reference."""
    found: list[Contrast] = []
    for column in dict.fromkeys(e.column for e in entries):
        measured = [e for e in entries if e.column == column and e.measured]
        for method in REFERENCES:
            pairs = _pairs(measured, method)
            found += adjust([contrast(*pair, predictions, selection) for pair in pairs])
    return found


def contrast(first: Entry, second: Entry, predictions: Predictions, selection: str) -> Contrast:
    """The test of two entries of one column; `selection` names the rule of the reported epoch."""
    seeds = _common_seeds([first, second])
    if reason := _obstacle([first, second], seeds):
        return Contrast(first, second, seeds, reason=reason)
    try:
        result = paired_test(*_matrices([first, second], seeds, predictions, selection))
    except ValueError as error:
        return Contrast(first, second, seeds, reason=str(error))
    low, high = result.interval
    return Contrast(
        first,
        second,
        seeds,
        difference=100 * float(result.difference),
        low=100 * float(low),
        high=100 * float(high),
        p=float(result.p),
        equivalence_p=float(result.equivalence_p(MARGIN / 100)),
        within=100 * float(result.equivalent_within),
    )


def adjust(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts with `adjusted` set: Holm over all that have a p."""
    adjusted = holm([c.p for c in contrasts])
    return [replace(c, adjusted=p) for c, p in zip(contrasts, adjusted, strict=True)]


def rankings(entries: Sequence[Entry], predictions: Predictions, selection: str) -> list[Ranks]:
    """The ranks of every column, for each contest that several rows are in."""
    found = []
    for column in dict.fromkeys(e.column for e in entries):
        measured = [e for e in entries if e.column == column and e.measured]
        several = (peers for peers in _contests(measured) if len(peers) > 1)
        found += [_ranks(peers, predictions, selection) for peers in several]
    return found


def _contests(measured: Sequence[Entry]) -> list[list[Entry]]:
    """The entries of a column in groups that are compared, in order of appearance."""
    groups: dict[tuple[int, str], list[Entry]] = {}
    for entry in measured:
        groups.setdefault(entry.contest, []).append(entry)
    return list(groups.values())


def _ranks(peers: Sequence[Entry], predictions: Predictions, selection: str) -> Ranks:
    ranked = [e for e in peers if not _doubt(e)]
    unranked = tuple(e.row for e in peers if e not in ranked)
    place = peers[0].column, *peers[0].contest, unranked
    if len(ranked) < 2:
        return Ranks(*place, reason=_doubt(peers[0]) or _doubt(peers[1]))
    seeds = _common_seeds(ranked)
    if reason := _obstacle(ranked, seeds):
        return Ranks(*place, reason=reason)
    try:
        matrices = _matrices(ranked, seeds, predictions, selection)
        rows = dict(zip((e.row for e in ranked), matrices, strict=True))
        return Ranks(*place, ranking=rank(rows))
    except ValueError as error:
        return Ranks(*place, reason=str(error))


def _pairs(measured: Sequence[Entry], method: str) -> Iterator[tuple[Entry, Entry]]:
    """Each row of a column behind the row of this method; none without such a row."""
    for peers in _contests(measured):
        for reference in (e for e in peers if _is(method, e)):
            yield from ((reference, e) for e in peers if e is not reference)


def _is(method: str, entry: Entry) -> bool:
    """True for the published method on all modalities.

    Its variants are not references: choosing the best of them would use the test data.
    """
    row = entry.cell.row
    return row.method == method and not row.modalities and row.changes.keys() <= {LABEL_NOISE}


def _common_seeds(entries: Sequence[Entry]) -> tuple[int, ...]:
    """The planned seeds that all entries have."""
    several = [{run.experiment.seed for run in e.planned_runs} for e in entries]
    return tuple(sorted(set.intersection(*several)))


def _doubt(entry: Entry) -> str:
    """Why an entry enters no test; empty if nothing forbids it."""
    if entry.doubts:
        return f"{entry.row}: {entry.doubts[0].kind}: {entry.doubts[0].text}"
    return "stand-in data" if entry.stand_in else "mixed data" if entry.mixed else ""


def _obstacle(entries: Sequence[Entry], seeds: Sequence[int]) -> str:
    """What forbids a test of these entries; empty if nothing does."""
    if reason := next(filter(None, map(_doubt, entries)), ""):
        return reason
    if len({run.data.get("fingerprint") for e in entries for run in e.runs}) > 1:
        return "the rows saw different data"
    if len(seeds) < FEWEST_SEEDS:
        return f"common seeds: {len(seeds)}; a test needs {FEWEST_SEEDS}"
    return ""


def _matrices(
    entries: Sequence[Entry], seeds: Sequence[int], predictions: Predictions, selection: str
) -> list[np.ndarray]:
    """(S, N) of each entry: what part of each test sample its runs got right.

    ValueError if runs have different test samples, or predictions that cannot be used.
    """
    several = [[r for r in e.planned_runs if r.experiment.seed in seeds] for e in entries]
    _check_samples([run for runs in several for run in runs], predictions)
    output = entries[0].metric.removeprefix("acc_")
    return [_matrix(runs, output, predictions, selection) for runs in several]


def _check_samples(runs: Sequence[RunRecord], predictions: Predictions) -> None:
    first, *others = (predictions.labels(run) for run in runs)
    if not all(first is other or np.array_equal(first, other) for other in others):
        raise ValueError("the runs have different test samples")


def _matrix(
    runs: Sequence[RunRecord], output: str, predictions: Predictions, selection: str
) -> np.ndarray:
    """(S, N): what part of each test sample each run got right at its reported epoch."""
    epochs = [choose(selection, run.history)["epoch"] for run in runs]
    pairs = zip(runs, epochs, strict=True)
    return np.stack([predictions.correct(run, epoch, output) for run, epoch in pairs])
