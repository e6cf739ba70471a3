"""Paired tests and Holm: against hand-worked numbers, scipy, and data with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.report.paired import mcnemar, paired_bootstrap
from benchmarks.report.statistics import holm


def pair(only_first: int, only_second: int, both: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Samples that only one method, or both, got right."""
    first = [1] * only_first + [0] * only_second + [1] * both
    second = [0] * only_first + [1] * only_second + [1] * both
    return np.array(first), np.array(second)


def simulated(
    generator: np.random.Generator, seeds: int, effect: float, seed_sd: float, sample_sd: float
) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong (S, 200): `effect` apart, methods differing by seed and by sample too."""
    lean = generator.normal(0, sample_sd, 200)
    methods = []
    for sign in (0.5, -0.5):
        chance = 0.6 + sign * (effect + lean) + generator.normal(0, seed_sd, (seeds, 1))
        methods.append((generator.random((seeds, 200)) < chance).astype(np.float32))
    return methods[0], methods[1]


def test_mcnemar_by_hand() -> None:
    # 7 samples differ, 1 of them for the second: 2 * (1 + 7) / 2^7, mid-p less 7 / 2^7
    assert mcnemar(*pair(6, 1)) == pytest.approx(9 / 128)


@pytest.mark.parametrize(("b", "c"), [(0, 5), (3, 9), (40, 25)])
def test_mid_p_is_scipys_binomial_test_less_half_of_both_tails(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c).pvalue - stats.binom.pmf(b, b + c, 0.5)
    assert mcnemar(*pair(b, c)) == pytest.approx(expected)
    assert mcnemar(*pair(b, c)) == mcnemar(*pair(c, b))


def test_methods_that_never_differ_are_equal() -> None:
    assert mcnemar(*pair(0, 0)) == 1.0
    assert mcnemar(*pair(4, 4)) == pytest.approx(1.0)


def test_mcnemar_keeps_its_level() -> None:
    generator = np.random.default_rng(1)
    pairs = [simulated(generator, 1, 0.0, 0.0, 0.0) for _ in range(1500)]
    assert 0.03 < np.mean([mcnemar(a, b) < 0.05 for a, b in pairs]) < 0.06


def test_mcnemar_refuses_clips_that_are_partly_right() -> None:
    with pytest.raises(ValueError, match="right or wrong"):
        mcnemar(np.array([0.3, 1.0]), np.array([1.0, 0.0]))


def test_one_seed_has_the_error_of_the_samples() -> None:
    first, second = simulated(np.random.default_rng(2), 1, 0.1, 0.0, 0.0)
    result = paired_bootstrap(first, second)
    differences = (first - second)[0]
    assert result.difference == pytest.approx(differences.mean(), abs=1e-6)
    assert result.error == pytest.approx(stats.sem(differences), rel=0.06)
    low, high = stats.bootstrap((differences,), np.mean, random_state=3).confidence_interval
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.02)


def test_seeds_alone_give_the_paired_t_test() -> None:
    # every sample alike: only the seeds vary, by 0.1, 0.2 and 0.4
    first = np.tile([[0.6], [0.7], [0.9]], 50)
    result = paired_bootstrap(first, np.full_like(first, 0.5))
    expected = stats.ttest_1samp([0.1, 0.2, 0.4], 0.0)
    assert result.error == pytest.approx(stats.sem([0.1, 0.2, 0.4]), rel=0.06)
    assert result.p == pytest.approx(expected.pvalue, abs=0.015)


def test_the_other_way_round_changes_the_sign_only() -> None:
    first, second = simulated(np.random.default_rng(4), 4, 0.1, 0.02, 0.1)
    one, other = paired_bootstrap(first, second), paired_bootstrap(second, first)
    assert one.difference == pytest.approx(-other.difference)
    assert one.p == pytest.approx(other.p)
    assert one == paired_bootstrap(first, second)


@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize(
    ("seed_sd", "sample_sd"), [(0.0, 0.0), (0.04, 0.0), (0.0, 0.3), (0.03, 0.2)]
)
def test_false_alarms_and_coverage_of_the_bootstrap(
    seeds: int, seed_sd: float, sample_sd: float
) -> None:
    generator = np.random.default_rng(5)
    results = [
        paired_bootstrap(*simulated(generator, seeds, 0.1, seed_sd, sample_sd)) for _ in range(500)
    ]
    # the true difference is 0.1: a test of it is wrong as often as the interval misses it
    missed = np.mean([not r.low <= 0.1 <= r.high for r in results])
    # below 5 % where seeds add nothing: the variance has a floor
    assert 0.01 < missed < 0.085
    none = [
        paired_bootstrap(*simulated(generator, seeds, 0.0, seed_sd, sample_sd)) for _ in range(500)
    ]
    assert 0.01 < np.mean([r.p < 0.05 for r in none]) < 0.085


def test_seeds_that_agree_by_chance_prove_nothing() -> None:
    """One discordant sample in each of three seeds, as in 744 rows without any difference."""
    first, second = np.zeros((3, 744)), np.zeros((3, 744))
    first[[0, 1, 2], [0, 1, 2]] = 1
    result = paired_bootstrap(first, second)
    assert result.error >= math.sqrt(3) / (3 * 744)
    assert result.p > 0.05


def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(6)
    found = [paired_bootstrap(*simulated(generator, 5, 0.15, 0.01, 0.1)).p for _ in range(50)]
    assert np.mean(np.array(found) < 0.05) > 0.9


@pytest.mark.parametrize("shapes", [((3, 5), (3, 6)), ((0, 5), (0, 5)), ((2, 1), (2, 1))])
def test_what_cannot_be_paired_is_refused(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="test samples"):
        paired_bootstrap(*(np.zeros(shape) for shape in shapes))


def test_two_equal_methods_have_no_difference() -> None:
    result = paired_bootstrap(np.ones((3, 9)), np.ones((3, 9)))
    assert (result.difference, result.p) == (0.0, 1.0)


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.03, 0.04 by 3, 2, 1 are 0.03, 0.06, 0.04: the last may not fall below 0.06
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_was_not_tested_does_not_count() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert math.isnan(adjusted[1])
    assert [adjusted[0], adjusted[2]] == pytest.approx([0.02, 0.04])


def test_holm_keeps_the_level_of_the_family() -> None:
    families = np.random.default_rng(7).random((2000, 12))
    alarms = np.mean([min(holm(list(family))) < 0.05 for family in families])
    assert 0.03 < alarms < 0.065
