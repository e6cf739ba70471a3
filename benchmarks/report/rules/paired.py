"""The paired test of two methods on the same seeds and test samples.

D (S, N) is what the first method got right minus what the second got right. Its mean varies for two
reasons, and each has its own degrees of freedom:

    v_s = var(means over samples, ddof=1) / S                     S - 1
    v_n = var(means over seeds,   ddof=1) / N * share + lacking   N - 1

v_s holds the noise of single predictions too, so only the `share` of the sample variance that is
not such noise is added (the usual components of a two-way layout). Few seeds may agree by chance,
so `lacking` raises the sum to the variance of S * N single predictions (McNemar's).

The critical value is Cochran and Cox's: the mean of both Student points, weighted by the variances,

    t* = (v_s t(S-1) + v_n t(N-1)) / (v_s + v_n)

and p is the level at which t* equals |mean| / sqrt(v_s + v_n). Satterthwaite's degrees of freedom
are not used: with three seeds v_s is often tiny by chance, and they then give 8 to 22 % false
alarms per column where 5 % are allowed.

Measured on simulated predictions (docs/calibration.md) with 3, 5 and 10 seeds: 2.9 to 5.0 % of
tests of equal methods are significant at 5 %, and Holm over 12 such tests errs in 1.3 to 5.6 % of
columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from benchmarks.report.rules.cell import LEVEL, Numbers, two_sided_p


@dataclass(frozen=True)
class Sums:
    """Sums over the differences D (S, N) of a pair; arrays where there are many pairs.

    `total` sums D, `squares` D squared, `seed_squares` the squared sums of each seed, and
    `sample_squares` the squared sums of each test sample.
    """

    seeds: int
    samples: int
    total: Numbers
    squares: Numbers
    seed_squares: Numbers
    sample_squares: Numbers


@dataclass(frozen=True)
class PairedTest:
    """First minus second as fractions: the mean difference and its two variances."""

    difference: Numbers
    of_seeds: Numbers
    of_samples: Numbers
    seeds: int
    samples: int

    @property
    def error(self) -> np.ndarray:
        """Standard error of the difference."""
        return np.sqrt(self.of_seeds + self.of_samples)

    @property
    def p(self) -> np.ndarray:
        """Two-sided p of no difference; 1 where the methods never differ."""
        return two_sided_p(np.abs(self.difference), self._critical)

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The 95 % interval of the difference; it excludes 0 where p is below 5 %."""
        half = self.critical(LEVEL)
        return self.difference - half, self.difference + half

    def equivalence_p(self, margin: float) -> np.ndarray:
        """p of two one-sided tests (Schuirmann 1987) that |expected difference| is below `margin`.

        `margin` is a fraction, as the differences are.
        """
        room = margin - np.abs(self.difference)
        p = two_sided_p(np.abs(room), self._critical) / 2
        return np.where(room > 0, p, 1 - p)

    @property
    def equivalent_within(self) -> np.ndarray:
        """The smallest margin for which `equivalence_p` is 5 %: the farther end of the 90 %
        interval."""
        return np.abs(self.difference) + self.critical(2 * LEVEL)

    def critical(self, level: float) -> np.ndarray:
        """The |difference| that is significant at this level."""
        return self._critical(np.asarray(level / 2))

    def _critical(self, tail: np.ndarray) -> np.ndarray:
        """The critical |difference| when each tail has probability `tail`."""
        error = self.error
        with np.errstate(invalid="ignore"):  # without any variance, the point at p = 0 is inf * 0
            weighted = -stdtrit(self.samples - 1, tail) * self.of_samples
        if self.seeds > 1:
            weighted = weighted - stdtrit(self.seeds - 1, tail) * self.of_seeds
        return np.divide(weighted, error, out=np.zeros(np.shape(weighted)), where=error > 0)


def paired_test(first: np.ndarray, second: np.ndarray) -> PairedTest:
    """Compares two methods, (S, N) each: what part of sample n was right under seed s.

    Row s holds the same seed and column n the same test sample for both; values are 0 or 1, or the
    part of a clip's segments. ValueError for other shapes or fewer than two test samples. With one
    seed the result speaks of these two runs only.
    """
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 2 or not first.shape[0]:
        raise ValueError(
            "a paired test needs the same seeds and at least 2 test samples for both, "
            f"not {first.shape} and {second.shape}"
        )
    d = np.subtract(first, second, dtype=np.float64)
    sums = Sums(  # type: ignore[misc]
        *d.shape,
        total=d.sum(),
        squares=np.vdot(d, d),
        seed_squares=np.square(d.sum(1)).sum(),
        sample_squares=np.square(d.sum(0)).sum(),
    )
    return paired_test_of_sums(sums)


def paired_test_of_sums(sums: Sums) -> PairedTest:
    """The test from sums alone: for many pairs at once."""
    s, n = sums.seeds, sums.samples
    mean = np.asarray(sums.total) / (s * n)
    centre = s * n * mean**2
    between_seeds = np.maximum(0.0, sums.seed_squares / n - centre)
    between_samples = np.maximum(0.0, sums.sample_squares / s - centre)
    noise = np.maximum(0.0, sums.squares - centre - between_seeds - between_samples)

    sample_mean_square = between_samples / (n - 1)
    of_seeds = np.zeros_like(mean)
    if s > 1:
        of_seeds = between_seeds / (s - 1) / (s * n)
        sample_mean_square = np.maximum(0.0, sample_mean_square - noise / ((s - 1) * (n - 1)))
    of_samples = sample_mean_square / (s * n)
    lacking = np.maximum(0.0, np.asarray(sums.squares) / (s * n) ** 2 - of_seeds - of_samples)
    return PairedTest(mean, of_seeds, of_samples + lacking, s, n)


def pair_sums(right: np.ndarray, segments: int = 1) -> Sums:
    """The sums of all pairs of M rows, in the order of `combinations`.

    `right` (M, S, N) counts the right ones among the `segments` of each test sample.
    """
    rows, seeds, samples = right.shape
    first, second = np.array(list(combinations(range(rows), 2))).T
    # Whole numbers in float32 are exact up to 2**24; fractions come as float64.
    runs = right.astype(np.result_type(right, np.float32))
    of_seeds = runs.sum(2, dtype=np.float64)
    of_samples = runs.sum(1)
    products = sum(runs[:, s] @ runs[:, s].T for s in range(seeds))
    by_seed = of_seeds[first] - of_seeds[second]
    return Sums(
        seeds,
        samples,
        total=by_seed.sum(1) / segments,
        squares=_squared_distance(products, first, second) / segments**2,
        seed_squares=np.square(by_seed).sum(1) / segments**2,
        sample_squares=_squared_distance(of_samples @ of_samples.T, first, second) / segments**2,
    )


def _squared_distance(products: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|a - b|^2 of rows a and b from their inner products."""
    own = np.diag(products).astype(np.float64)
    return own[first] + own[second] - 2 * products[first, second]
