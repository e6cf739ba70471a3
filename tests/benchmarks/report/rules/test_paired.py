"""The paired test: limits that are known tests, hand-worked variances, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.report.rules.paired import PairedTest, paired_test


def random_pair(seed: int, shape: tuple[int, int] = (4, 200)) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.random(shape) < 0.65, generator.random(shape) < 0.55


def test_one_seed_is_the_t_test_over_samples() -> None:
    """Up to the floor, which takes the squares around 0 and not around the mean."""
    first, second = random_pair(1, (1, 300))
    found = paired_test(first, second)
    expected = stats.ttest_rel(first[0].astype(float), second[0].astype(float))
    assert found.p == pytest.approx(expected.pvalue, rel=0.05)
    interval = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((interval.low, interval.high), abs=1e-3)


def test_seeds_alone_are_the_t_test_over_seeds() -> None:
    first = np.tile([[0.6], [0.7], [0.9]], 50)  # every sample alike
    found = paired_test(first, np.full_like(first, 0.5))
    assert found.of_samples == pytest.approx(0, abs=1e-12)
    assert found.p == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.4], 0.0).pvalue)


def test_samples_alone_leave_no_variance_of_seeds() -> None:
    """Both seeds alike: the variance is that of the samples, none of it noise."""
    d = np.array([[1, 0, 1, 0], [1, 0, 1, 0]])
    found = paired_test(d, np.zeros_like(d))
    assert found.of_seeds == 0
    assert found.of_samples == pytest.approx(np.var([1, 0, 1, 0], ddof=1) / 4)


def test_components_by_hand() -> None:
    # D = [[1, 0], [0, 0]]: mean 1/4; seed means 1/2, 0; sample means 1/2, 0
    found = paired_test(np.array([[1, 0], [0, 0]]), np.zeros((2, 2)))
    assert found.of_seeds == pytest.approx(0.125 / 2)  # var 1/8 over 2 seeds
    # the residual mean square equals that of the samples (1/4 both), so the samples add nothing
    assert found.of_samples == pytest.approx(0)
    # the floor of four single predictions, 1/16, is reached already
    assert found.error == pytest.approx(math.sqrt(1 / 16))


def test_critical_value_is_weighted() -> None:
    found = PairedTest(0.1, 0.0003, 0.0001, seeds=3, samples=500)
    point = (0.0003 * stats.t.ppf(0.975, 2) + 0.0001 * stats.t.ppf(0.975, 499)) / 0.0004
    low, high = found.interval
    assert (high - low) / 2 == pytest.approx(point * 0.02)


@pytest.mark.parametrize("seed", range(5))
def test_interval_and_p_agree(seed: int) -> None:
    found = paired_test(*random_pair(seed, (3, 60)))
    low, high = found.interval
    assert (low > 0 or high < 0) == (found.p < 0.05)


def test_order_of_seeds_and_samples_does_not_matter() -> None:
    first, second = random_pair(4)
    found = paired_test(first, second)
    for shuffled in (
        paired_test(first[::-1], second[::-1]),
        paired_test(first[:, ::-1], second[:, ::-1]),
    ):
        assert shuffled.p == pytest.approx(found.p, rel=1e-9)
    other = paired_test(second, first)
    assert other.difference == -found.difference
    assert other.p == pytest.approx(found.p)


def test_seeds_that_agree_by_chance_prove_nothing() -> None:
    """One discordant sample in each of three seeds, as in 744 rows without any difference."""
    first, second = np.zeros((3, 744)), np.zeros((3, 744))
    first[[0, 1, 2], [0, 1, 2]] = 1
    found = paired_test(first, second)
    assert found.error >= math.sqrt(3) / (3 * 744)
    assert found.p > 0.05


def test_equal_methods_have_no_difference() -> None:
    found = paired_test(np.ones((3, 9)), np.ones((3, 9)))
    assert (found.difference, found.p) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.05, 0.12, 0.3])
def test_equivalent_means_that_the_90_percent_interval_lies_within_the_margin(
    seed: int, margin: float
) -> None:
    found = paired_test(*random_pair(seed, (3, 60)))
    half = found.critical(0.10)
    inside = -margin < found.difference - half and found.difference + half < margin
    assert (found.equivalence_p(margin) < 0.05) == inside
    assert (found.equivalent_within < margin) == inside
    assert found.equivalence_p(float(found.equivalent_within)) == pytest.approx(0.05)


def test_seeds_alone_give_schuirmanns_test() -> None:
    first = np.tile([[0.51], [0.50], [0.52]], 50)  # every sample alike
    found = paired_test(first, np.full_like(first, 0.5))
    t = (0.03 - 0.01) / stats.sem([0.01, 0.0, 0.02])
    assert found.equivalence_p(0.03) == pytest.approx(stats.t.sf(t, 2))


def test_a_difference_beyond_the_margin_is_not_equivalent() -> None:
    found = PairedTest(0.1, 0.0003, 0.0001, seeds=3, samples=500)
    assert found.equivalence_p(0.1) == pytest.approx(0.5)
    assert found.equivalence_p(0.05) > 0.5
    assert paired_test(np.ones((3, 9)), np.ones((3, 9))).equivalence_p(0.01) == 0


@pytest.mark.parametrize(
    "shapes", [((3, 5), (3, 6)), ((0, 5), (0, 5)), ((2, 1), (2, 1)), ((5,),) * 2]
)
def test_what_cannot_be_paired_is_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="test samples"):
        paired_test(*(np.zeros(shape) for shape in shapes))
