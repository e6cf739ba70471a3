"""The verdict of a cell: numbers worked out by hand, scipy, and the edges of each rule."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.report.rules import cell
from benchmarks.report.rules.cell import Comparison, judge

SPREAD = (-0.5, -0.25, 0.0, 0.25, 0.5)  # sd 0.3953


def measured(mean: float, paper: float = 70.0, scale: float = 1.0) -> Comparison:
    """Five seeds around a mean; the paper has the same 744 test samples."""
    return Comparison(tuple(mean + scale * x for x in SPREAD), paper, 744, 744)


def judged(mean: float, oracle: float | None = None, scale: float = 1.0) -> cell.Judgement:
    best = mean if oracle is None else oracle
    return judge(measured(mean, scale=scale), measured(best, scale=scale))


@pytest.mark.parametrize(
    ("mean", "scale", "verdict"),
    [  # half of the 90 % interval: 2.132 * 0.3953 / sqrt(5) = 0.377
        (70.6, 1.0, "reproduced"),
        (70.65, 1.0, "inconclusive"),
        # the threshold is 2.776 * 0.3953 * sqrt(1.2), which is 1.202
        (71.19, 1.0, "inconclusive"),
        (71.22, 1.0, "differs"),
        (68.78, 1.0, "differs"),
        # half the spread: the threshold is 0.601, but 0.95 points do not matter
        (70.95, 0.5, "inconclusive"),
        (71.01, 0.5, "differs"),
    ],
)
def test_verdicts_by_hand(mean: float, scale: float, verdict: str) -> None:
    assert judged(mean, scale=scale).verdict == verdict


def test_smallest_difference_is_the_threshold_or_the_margin() -> None:
    assert measured(70.0).smallest_difference == pytest.approx(1.202, abs=0.001)
    assert measured(70.0, scale=0.1).smallest_difference == cell.MARGIN


def test_test_samples_left_out_by_the_paper_raise_the_threshold() -> None:
    part = replace(measured(70.0), paper_samples=669)
    # 1.96 * 100 * sqrt(0.7 * 0.3 * (1/669 - 1/744)) = 1.103; hypot(1.202, 1.103) = 1.631
    assert part.smallest_difference == pytest.approx(1.631, abs=0.001)
    assert replace(measured(70.0), paper_samples=800).subset_error == 0.0


def test_a_difference_at_one_epoch_only_is_said_and_not_judged() -> None:
    found = judged(71.5, oracle=71.0)
    assert found.verdict == "inconclusive"
    assert "best test accuracy" in found.note
    assert judged(71.5, oracle=72.0).note == ""
    assert judged(71.0, oracle=72.0).note == ""


def test_without_subset_error_p_is_that_of_a_prediction_interval() -> None:
    expected = 2 * stats.t.sf(2.0 / (0.5 * math.sqrt(1 + 1 / 3)), 2)
    assert cell.differs_p(2.0, 0.5, 3, 0.0) == pytest.approx(expected, rel=1e-10)
    assert cell.differs_p(2.0, 0.0, 3, 1.0) == pytest.approx(2 * stats.norm.sf(2.0), rel=1e-10)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("subset", [0.0, 0.6])
def test_p_is_the_level_of_the_threshold(seeds: int, subset: float) -> None:
    """So `differs` may be read from either."""
    for sd in (0.3, 1.5):
        edge = cell.critical_difference(sd, seeds, subset)
        assert cell.differs_p(edge, sd, seeds, subset) == pytest.approx(0.05, rel=1e-9)
        assert cell.differs_p(edge * 1.01, sd, seeds, subset) < 0.05


def test_p_at_its_ends() -> None:
    assert cell.differs_p(0.0, 0.5, 5, 0.5) == 1.0
    assert np.isnan(cell.differs_p(1.0, math.nan, 5, 0.0))
    assert cell.differs_p(np.array([0.0, 3.0]), 0.0, 5, 0.0).tolist() == [1.0, 0.0]
    assert 0 < cell.differs_p(50.0, 0.1, 10, 0.0) < 1e-15


@pytest.mark.parametrize("values", [(70.1, 70.9, 70.4), (68.0, 70.0), (70.0, 70.0), (71.0, 71.0)])
def test_equivalence_is_two_t_tests(values: tuple[float, ...]) -> None:
    found = Comparison(values, 70.0, 744, 744).equivalence_p
    if len(set(values)) == 1:
        assert found in (0.0, 1.0)
    else:
        up = stats.ttest_1samp(values, 69.0, alternative="greater").pvalue
        down = stats.ttest_1samp(values, 71.0, alternative="less").pvalue
        assert found == pytest.approx(max(up, down))


def test_verdict_and_p_never_contradict() -> None:
    generator = np.random.default_rng(3)
    for _ in range(300):
        draws = generator.normal(generator.normal(0, 1.5), generator.choice([0.2, 1.0]), 4)
        ours = Comparison(tuple(70 + draws), 70.0, 669, 744)
        found = judge(ours, ours)
        assert (found.verdict == "reproduced") == (found.equivalence_p <= 0.05)
        if found.verdict == "differs":
            assert found.differs_p < 0.05 and abs(ours.difference) >= found.smallest_difference


def test_exit_status_counts_cells_after_holm() -> None:
    weak, strong = judged(71.25), judged(80.0)
    assert [weak.verdict, strong.verdict] == ["differs", "differs"]
    assert cell.differs_in_sum([weak]) == [True]
    assert cell.differs_in_sum([weak, strong, *[judged(70.0)] * 8]) == [False, True] + [False] * 8


@pytest.mark.parametrize(
    ("values", "sizes", "word"),
    [((70.0,), (744, 744), "2 seeds"), ((70.0, 71.0), (0, 744), "samples")],
)
def test_what_cannot_be_compared_is_refused(
    values: tuple[float, ...], sizes: tuple[int, int], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        Comparison(values, 70.0, *sizes)
