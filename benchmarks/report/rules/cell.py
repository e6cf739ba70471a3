"""The verdict of a cell: does our mean over seeds agree with the paper's number?

All values are percentage points. With n seeds, d is our mean minus the paper's number and s the
standard deviation over our seeds.

`reproduced`: two one-sided t tests at 5 % say that our expected accuracy lies within the paper's
number +- MARGIN. This is the same as: the 90 % interval of our mean lies within it.

`differs`: |d| > MARGIN, and |d| is larger than chance explains at 5 %. The paper's number is itself
one noisy run, so chance has two parts: the spread of one run against the mean of n runs, and the
test samples that the paper left out of ours. The threshold is

    hypot(t(n-1) * s * sqrt(1 + 1/n),  z * sqrt(p q * max(0, 1/n_paper - 1/n_ours)))

with the two-sided 5 % points of Student's t and of the normal distribution. Both must hold at the
reported epoch and at the epoch with the best test accuracy: the paper does not say which it took.

`inconclusive`: neither. The seeds are too few, or too spread out, to say more.

Measured on simulated predictions (docs/calibration.md) with 3, 5 and 10 seeds: `differs` is said of
at most 5.1 % of equal cells, `reproduced` of at most 5.2 % of cells that are MARGIN points off.

The arrays of these functions may have any shapes that fit together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from benchmarks.report import statistics

MARGIN = 1.0  # percentage points: smaller differences do not matter
LEVEL = 0.05  # of every test

REPRODUCED = "reproduced"
INCONCLUSIVE = "inconclusive"
DIFFERS = "differs"
ONLY_REPORTED = "differs at the reported epoch, but not at the epoch with the best test accuracy"

Numbers: TypeAlias = float | np.ndarray

_FARTHEST = 37.0  # standard deviations: p is then 6e-300
_HALVINGS = 60  # of that distance: p is exact to 14 digits


@dataclass(frozen=True)
class Comparison:
    """Our accuracies in percent, one per seed, and the paper's number for the same cell.

    `paper_samples` and `our_samples` count the independent test samples behind each: clips, not
    segments. ValueError for fewer than two seeds or one sample: there is nothing to compare.
    """

    values: tuple[float, ...]
    paper: float
    paper_samples: int
    our_samples: int

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            raise ValueError(f"a verdict needs at least 2 seeds, not {len(self.values)}")
        if min(self.paper_samples, self.our_samples) < 1:
            raise ValueError(
                f"test sets of {self.paper_samples} and {self.our_samples} samples; "
                "each needs at least 1"
            )

    @property
    def difference(self) -> float:
        """Our mean minus the paper's number."""
        return statistics.mean(self.values) - self.paper

    @property
    def sd(self) -> float:
        """Standard deviation over the seeds (n - 1)."""
        return statistics.sd(self.values)

    @property
    def subset_error(self) -> float:
        """See the function of this name."""
        mean = statistics.mean(self.values)
        return float(subset_error(mean, self.paper_samples, self.our_samples))

    @property
    def differs_p(self) -> float:
        """p of the hypothesis that the paper's number is one more run of ours."""
        return float(differs_p(self.difference, self.sd, len(self.values), self.subset_error))

    @property
    def equivalence_p(self) -> float:
        """p of the hypothesis that our expected accuracy is MARGIN or more away from the paper."""
        return float(equivalence_p(self.difference, self.sd, len(self.values)))

    @property
    def smallest_difference(self) -> float:
        """The smallest |d| that would be called `differs`, given this spread of the seeds."""
        return float(smallest_difference(self.sd, len(self.values), self.subset_error))


@dataclass(frozen=True)
class Judgement:
    """A verdict with the numbers behind it.

    `differs_p` is the larger p of the two epoch rules, `equivalence_p` that of the reported epoch,
    and `smallest_difference` the smallest difference that this cell could have shown. All are NaN
    where nothing was compared. `note` is empty or says that the epoch rules disagree.
    """

    verdict: str
    differs_p: float = math.nan
    equivalence_p: float = math.nan
    smallest_difference: float = math.nan
    note: str = ""


def judge(reported: Comparison, oracle: Comparison) -> Judgement:
    """The verdict from the accuracies at the reported epoch and at the best epoch on test data."""
    both = (reported, oracle)
    found = [differs(c.difference, c.differs_p) for c in both]
    verdict = INCONCLUSIVE
    if reported.equivalence_p <= LEVEL:
        verdict = REPRODUCED
    elif all(found):
        verdict = DIFFERS
    return Judgement(
        verdict,
        max(c.differs_p for c in both),
        reported.equivalence_p,
        max(c.smallest_difference for c in both),
        ONLY_REPORTED if found == [True, False] else "",
    )


def differs_in_sum(judgements: Sequence[Judgement]) -> list[bool]:
    """Which cells of a table differ when chance may raise one false alarm in 20 tables (Holm).

    Cells that were not compared do not count.
    """
    adjusted = statistics.holm([j.differs_p for j in judgements])
    pairs = zip(judgements, adjusted, strict=True)
    return [j.verdict == DIFFERS and p <= LEVEL for j, p in pairs]


def differs(difference: Numbers, p: Numbers) -> np.ndarray | bool:
    """True where the difference matters (MARGIN) and chance does not explain it (LEVEL)."""
    return (np.abs(difference) > MARGIN) & (np.asarray(p) < LEVEL)


def differs_p(difference: Numbers, sd: Numbers, seeds: int, subset_error: Numbers) -> np.ndarray:
    """The level at which the threshold equals |difference|.

    Where the seeds decide, 5 % of equal cells have p < 0.05; where the subset error does, fewer.
    Seeds that agree exactly leave no spread. Without a subset error p is then 0 or 1.
    """

    def threshold(tail: np.ndarray) -> np.ndarray:
        return _threshold(tail, sd, seeds, subset_error)

    return two_sided_p(np.abs(difference), threshold)


def critical_difference(
    sd: Numbers, seeds: int, subset_error: Numbers, level: float = LEVEL
) -> np.ndarray:
    """The |difference| that chance exceeds in at most `level` of equal cells."""
    return _threshold(np.asarray(level / 2), sd, seeds, subset_error)


def smallest_difference(sd: Numbers, seeds: int, subset_error: Numbers) -> np.ndarray:
    """The smallest |difference| that is called `differs`."""
    return np.maximum(MARGIN, critical_difference(sd, seeds, subset_error))


def subset_error(accuracy: Numbers, paper_samples: int, our_samples: int) -> np.ndarray:
    """Standard error of an accuracy (percent) on part of our test samples instead of all.

    0 where the paper's test set is as large as ours: it is then taken to be the same one.
    """
    p = np.clip(np.asarray(accuracy) / 100, 0, 1)
    return 100 * np.sqrt(p * (1 - p) * max(0.0, 1 / paper_samples - 1 / our_samples))


def equivalence_p(difference: Numbers, sd: Numbers, seeds: int) -> np.ndarray:
    """p of two one-sided t tests (Schuirmann 1987) that |expected difference| is below MARGIN."""
    distance = MARGIN - np.abs(difference)
    error = np.asarray(sd) / math.sqrt(seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = stdtr(seeds - 1, -distance / error)
    return np.where(error == 0, np.where(distance > 0, 0.0, 1.0), p)


def two_sided_p(distance: np.ndarray, critical: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """p of a two-sided test from its critical values, by bisection.

    `critical` maps the probability of one tail to the critical value, which falls as the
    probability grows. NaN where `distance` or a critical value is NaN.
    """
    shape = np.broadcast(distance, critical(np.asarray(0.25)))
    near, far = np.zeros(shape.shape), np.full(shape.shape, _FARTHEST)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        beyond = distance > critical(ndtr(-middle))
        near, far = np.where(beyond, middle, near), np.where(beyond, far, middle)
    unknown = np.isnan(distance + critical(np.asarray(0.25)))
    p = np.where(near == 0, 1.0, 2 * ndtr(-far))
    return np.where(unknown, math.nan, np.where(far == _FARTHEST, 0.0, p))


def _threshold(tail: np.ndarray, sd: Numbers, seeds: int, subset_error: Numbers) -> np.ndarray:
    """The critical |difference| when each tail has probability `tail`."""
    of_seeds = -stdtrit(seeds - 1, tail) * sd * math.sqrt(1 + 1 / seeds)
    return np.hypot(of_seeds, -ndtri(tail) * subset_error)
