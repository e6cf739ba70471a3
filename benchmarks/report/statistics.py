"""Statistics of a cell: over its seeds, and of the finite test set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
UPPER = (1 + CONFIDENCE) / 2  # the quantile at the upper end of an interval


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; NaN for no values."""
    return float(np.mean(values)) if len(values) else math.nan


def sd(values: Sequence[float]) -> float:
    """Standard deviation of a sample (n - 1); NaN for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean over seeds; NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf(UPPER, len(values) - 1)) * float(stats.sem(values))
    return mean(values) - half, mean(values) + half


def wilson_interval(accuracy: float, samples: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an accuracy in [0, 1] measured on `samples` test samples.

    The samples must be independent. Where a sample has several predictions (the segments of a
    clip), `samples` is the number of clips: as if all segments of a clip agreed, which is the
    conservative end. Means over seeds are allowed; scipy's interval takes whole counts only.
    """
    if samples < 1 or not 0 <= accuracy <= 1:
        raise ValueError(
            f"an accuracy of {accuracy} on {samples} samples has no interval; "
            "it must be in [0, 1], on at least one sample"
        )
    z = float(stats.norm.ppf(UPPER))
    shrink = 1 + z**2 / samples
    centre = (accuracy + z**2 / (2 * samples)) / shrink
    variance = accuracy * (1 - accuracy) / samples + z**2 / (4 * samples**2)
    half = z * math.sqrt(variance) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def test_set_interval(values: Sequence[float], samples: int | None) -> tuple[float, float]:
    """Wilson's interval of the mean of `values`, all in percent.

    NaN where there is no value, or where the number of test samples is unknown (None).
    """
    if not samples or not len(values):
        return math.nan, math.nan
    low, high = wilson_interval(mean(values) / 100, samples)
    return 100 * low, 100 * high


def newcombe_interval(
    first: float, first_samples: int, second: float, second_samples: int
) -> tuple[float, float]:
    """Interval of `first` - `second`, accuracies in [0, 1] on independent test sets.

    Newcombe (Statistics in Medicine 17, 1998, p. 873), method 10: from Wilson's intervals of both.
    For two methods on the same test samples it is conservative: the hard samples are hard for both.
    """
    low, high = wilson_interval(first, first_samples)
    other_low, other_high = wilson_interval(second, second_samples)
    difference = first - second
    below = math.hypot(first - low, other_high - second)
    above = math.hypot(high - first, second - other_low)
    return difference - below, difference + above


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p of each test (Holm 1979); below a level, the error rate of all is below it.

    The k-th smallest of m is multiplied by m - k + 1 and never falls below the one before. NaN
    stays NaN and does not count as a test. scipy corrects for false discoveries only.
    """
    adjusted = np.array(p_values, dtype=float)
    order = np.argsort(adjusted, kind="stable")[: np.sum(~np.isnan(adjusted))]
    steps = np.arange(len(order), 0, -1) * adjusted[order]
    adjusted[order] = np.maximum.accumulate(np.minimum(steps, 1))
    return adjusted.tolist()
