"""Statistics of a cell: over seeds, and of the finite test set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit  # scipy.stats takes three times as long to import

CONFIDENCE = 0.95


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; NaN for no values."""
    return float(np.mean(values)) if len(values) else math.nan


def sd(values: Sequence[float]) -> float:
    """Standard deviation of a sample (n - 1); NaN for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Student's interval of the mean over seeds; NaN for fewer than two values."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd(values) / math.sqrt(n)
    return mean(values) - half, mean(values) + half


def wilson_interval(
    accuracy: float, samples: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Wilson's score interval of an accuracy in [0, 1] measured on `samples` test samples."""
    if samples < 1 or not 0 <= accuracy <= 1:
        raise ValueError(
            f"an accuracy of {accuracy} on {samples} samples has no interval; "
            "it must be in [0, 1], on at least one sample"
        )
    z = float(ndtri((1 + confidence) / 2))
    shrink = 1 + z**2 / samples
    centre = (accuracy + z**2 / (2 * samples)) / shrink
    variance = accuracy * (1 - accuracy) / samples + z**2 / (4 * samples**2)
    half = z * math.sqrt(variance) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)
