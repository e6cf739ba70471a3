"""Paired tests: two methods on the same test samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from benchmarks.report.statistics import UPPER

DRAWS = 1000  # of the bootstrap; the standard error is then known to about 2 %


@dataclass(frozen=True)
class PairedResult:
    """First minus second: the mean difference, its standard error, its 95 % interval, its p."""

    difference: float
    error: float
    low: float
    high: float
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided mid-p of McNemar's exact test on one seed.

    `first` and `second` (N,) say which test samples each method got right. Given that the methods
    differ on b + c samples, the number b that only the first got right is binomial with 1/2. The
    exact p is conservative; mid-p, which counts half of the observed outcome, is nearer to its
    level (Fagerland et al., BMC Medical Research Methodology 13:91, 2013). ValueError for other
    values than right and wrong: segments of a clip are not independent, and a clip that is partly
    right fits no such test.
    """
    _check_pair(first, second)
    if not all(np.isin(values, (0, 1)).all() for values in (first, second)):
        raise ValueError("McNemar's test takes samples that are right or wrong, not partly right")
    only_first = int(np.sum(first > second))
    only_second = int(np.sum(second > first))
    outcome = stats.binom(only_first + only_second, 0.5)
    fewer = min(only_first, only_second)
    return min(1.0, 2 * float(outcome.cdf(fewer)) - float(outcome.pmf(fewer)))


def paired_bootstrap(first: np.ndarray, second: np.ndarray) -> PairedResult:
    """Compares two methods over seeds and test samples, both resampled, pairs kept together.

    `first` and `second` (S, N): what part of test sample n each method got right under seed s (0 or
    1, or a part of a clip's segments). Row s holds the same seed and column n the same sample for
    both. A draw takes samples, or seeds, with replacement, the same ones for both methods.

    The variance of the mean difference is that of the seed draws, which contains the noise of
    single predictions, plus what the samples add to that noise (the usual components of a two-way
    layout: adding both draws in full would count that noise twice). Bootstrap variances of few
    seeds are too small by (S - 1) / S and their percentiles too narrow (Hesterberg, The American
    Statistician 69, 2015), so the variance is corrected, and interval and p are from Student's t
    with Satterthwaite's degrees of freedom: S - 1 where the seeds decide, N - 1 where the samples
    do. Few seeds may agree by chance, so the variance is never below that of as many single
    predictions (McNemar's). With one seed the result is about these two runs only; with two, p is
    too small too often. The draws are fixed, so p is too.
    """
    _check_pair(first, second)
    differences = np.atleast_2d(np.subtract(first, second, dtype=np.float64))
    seeds, samples = differences.shape
    if samples < 2:
        raise ValueError(f"a paired bootstrap needs at least 2 test samples, not {samples}")
    of_seeds = _bootstrap_variance(differences.mean(1)) if seeds > 1 else 0.0
    of_samples = _bootstrap_variance(differences.mean(0)) * _share_of_samples(differences)
    noise = float(np.vdot(differences, differences)) / differences.size**2
    lacking = max(0.0, noise - of_seeds - of_samples)
    variances = np.array([of_seeds, of_samples + lacking])
    return _student(float(differences.mean()), variances, np.array([seeds - 1, samples - 1]))


def _bootstrap_variance(values: np.ndarray) -> float:
    """Variance of the mean of values (n,) over draws with replacement, corrected by n / (n - 1)."""
    means = _counts(len(values)) @ values.astype(np.float32) / len(values)
    return float(means.var(dtype=np.float64)) * len(values) / (len(values) - 1)


@lru_cache(maxsize=16)
def _counts(size: int) -> np.ndarray:
    """How often each of `size` items is in each draw: (DRAWS, size), the same at every call."""
    generator = np.random.default_rng(size)
    draws = [np.bincount(generator.integers(0, size, size), minlength=size) for _ in range(DRAWS)]
    return np.array(draws, dtype=np.float32)


def _share_of_samples(differences: np.ndarray) -> float:
    """The part of the variance between samples that is not noise of single predictions."""
    seeds, samples = differences.shape
    if seeds == 1:
        return 1.0
    means = differences.mean(0)
    between = seeds * means.var() * samples / (samples - 1)
    noise = differences - means
    noise -= noise.mean(1, keepdims=True)
    residual = float(np.vdot(noise, noise)) / ((seeds - 1) * (samples - 1))
    return max(0.0, 1 - residual / between) if between > 0 else 0.0


def _student(difference: float, variances: np.ndarray, freedoms: np.ndarray) -> PairedResult:
    """The result from the parts of the variance, each with its degrees of freedom."""
    error = math.sqrt(variances.sum())
    if error == 0:
        p = 1.0 if difference == 0 else 0.0
        return PairedResult(difference, error, difference, difference, p)
    counted = variances > 0  # one seed has no variance and no degrees of freedom
    freedom = variances.sum() ** 2 / (variances[counted] ** 2 / freedoms[counted]).sum()
    half = float(stats.t.ppf(UPPER, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return PairedResult(difference, error, difference - half, difference + half, p)


def _check_pair(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape != second.shape or not first.size:
        raise ValueError(
            f"a paired test needs the same test samples for both, not {first.shape} "
            f"and {second.shape}"
        )
