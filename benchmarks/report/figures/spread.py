"""Mean and spread over runs, for all epochs at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from benchmarks.report.statistics import CONFIDENCE

T_INTERVAL, RANGE, NO_SPREAD = "95 % t interval", "min to max", "none"
DECIMALS = 4  # of every number that is written and drawn


@dataclass(frozen=True)
class Spread:
    """Mean over `n` runs; `low` and `high` are NaN for one run. `kind` says what they are."""

    n: int
    mean: float
    low: float
    high: float
    kind: str


def spreads(values: Sequence[Sequence[float]]) -> list[Spread]:
    """The spread of each column of runs x points; runs may be shorter than others or have NaN.

    Student's interval of the mean from three runs on. For two it would be nine times their
    standard deviation wide, so there it is their range.
    """
    table = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, run in zip(table, values, strict=True):
        row[: len(run)] = run
    n = np.sum(~np.isnan(table), axis=0)
    filled = np.where(np.isnan(table), 0.0, table)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    deviations = np.where(np.isnan(table), 0.0, table - mean)
    sd = np.sqrt((deviations**2).sum(axis=0) / np.maximum(n - 1, 1))
    half = stdtrit(np.maximum(n - 1, 1), (1 + CONFIDENCE) / 2) * sd / np.sqrt(np.maximum(n, 1))
    half = np.where(n == 2, sd / math.sqrt(2), half)  # half the distance of two values
    rows = zip(n.tolist(), mean.tolist(), half.tolist(), strict=True)
    return [_spread(count, centre, width) for count, centre, width in rows]


def spread(values: Sequence[float]) -> Spread:
    """The spread of one number over runs."""
    return spreads([[value] for value in values])[0]


def _spread(n: int, mean: float, half: float) -> Spread:
    if n == 0:
        return Spread(0, math.nan, math.nan, math.nan, NO_SPREAD)
    if n == 1:
        return Spread(1, round(mean, DECIMALS), math.nan, math.nan, NO_SPREAD)
    low, high = round(mean - half, DECIMALS), round(mean + half, DECIMALS)
    return Spread(n, round(mean, DECIMALS), low, high, RANGE if n == 2 else T_INTERVAL)
