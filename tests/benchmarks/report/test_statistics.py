"""Statistics of a cell, each against numbers worked out by hand or by scipy.stats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.report.statistics import (
    mean,
    newcombe_interval,
    sd,
    t_interval,
    wilson_interval,
)
from benchmarks.report.statistics import test_set_interval as interval_of_test_set  # no test


def test_mean_and_sd_by_hand() -> None:
    # deviations -2, 0, 2: squares sum to 8, divided by n - 1 = 2
    assert mean([68.0, 70.0, 72.0]) == 70.0
    assert sd([68.0, 70.0, 72.0]) == pytest.approx(2.0)


def test_t_interval_by_hand() -> None:
    # t(0.975, 2 degrees of freedom) = 4.302653 in every printed table; 4.302653 * 2 / sqrt(3)
    low, high = t_interval([68.0, 70.0, 72.0])
    assert (low, high) == (pytest.approx(70 - 4.968276, abs=1e-5), pytest.approx(74.968276))


@pytest.mark.parametrize("values", [[1.0, 2.0], [70.1, 70.4, 69.2, 71.0, 70.3]])
def test_t_interval_is_scipys(values: list[float]) -> None:
    expected = stats.t.interval(
        0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values)
    )
    assert t_interval(values) == pytest.approx(expected)


def test_equal_seeds_give_a_point() -> None:
    assert t_interval([70.0, 70.0, 70.0]) == (70.0, 70.0)


@pytest.mark.parametrize("values", [[], [70.0]])
def test_one_run_has_no_spread(values: list[float]) -> None:
    assert math.isnan(sd(values))
    assert all(math.isnan(bound) for bound in t_interval(values))


def test_mean_of_nothing_is_nan() -> None:
    assert math.isnan(mean([]))


def test_wilson_interval_by_hand() -> None:
    # 50 of 100, z^2 = 3.841459: centre 0.5, half z * sqrt(1/400 + z^2/40000) / (1 + z^2/100)
    assert wilson_interval(0.5, 100) == pytest.approx((0.4038315, 0.5961685), abs=1e-6)


@pytest.mark.parametrize(("correct", "total"), [(0, 10), (10, 10), (7408, 10000), (1, 3)])
def test_wilson_interval_is_scipys(correct: int, total: int) -> None:
    expected = stats.binomtest(correct, total).proportion_ci(method="wilson")
    assert wilson_interval(correct / total, total) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("accuracy", "samples"), [(74.08, 100), (-0.1, 100), (0.5, 0)])
def test_wilson_refuses_what_is_no_accuracy(accuracy: float, samples: int) -> None:
    with pytest.raises(ValueError, match="in \\[0, 1\\], on at least one sample"):
        wilson_interval(accuracy, samples)


def test_newcombe_interval_is_the_published_example() -> None:
    # Newcombe 1998, table II, example (a): 56 of 70 against 48 of 80, method 10
    assert newcombe_interval(56 / 70, 70, 48 / 80, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_interval_of_the_test_set_is_wilsons_of_the_mean() -> None:
    assert interval_of_test_set([49.0, 51.0], 100) == pytest.approx((40.38315, 59.61685), abs=1e-5)
    assert all(map(math.isnan, interval_of_test_set([49.0, 51.0], None)))
    assert all(map(math.isnan, interval_of_test_set([], 100)))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    seeds = [t_interval(v) for v in generator.normal(70.0, 1.0, (2000, 3))]
    tests = [wilson_interval(k / 300, 300) for k in generator.binomial(300, 0.7, 2000)]
    for intervals, truth in ((seeds, 70.0), (tests, 0.7)):
        covered = np.mean([low <= truth <= high for low, high in intervals])
        assert 0.935 < covered < 0.965
