"""The power of a plan against numbers of an independent simulation and the limits."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.report.rules import cell
from benchmarks.report.rules.power import Plan, power


def plan(seeds: int, sd: float, paper_samples: int = 744) -> Plan:
    return Plan(seeds, sd, 65.0, 744, paper_samples)


@pytest.mark.parametrize(("seeds", "reproduced"), [(3, 0.56), (5, 0.95), (10, 1.0)])
def test_a_true_match_is_reproduced_as_often_as_measured(seeds: int, reproduced: float) -> None:
    assert power(plan(seeds, 0.5)).reproduced == pytest.approx(reproduced, abs=0.01)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("sd", [0.3, 0.8])
def test_power_agrees_with_normal_draws(seeds: int, sd: float) -> None:
    generator = np.random.default_rng(7)
    values = generator.normal(0, sd, (20_000, seeds))
    subset = float(cell.subset_error(65.0, 669, 744))
    printed = np.hypot(sd, subset) * generator.standard_normal(20_000)
    d, s = values.mean(1) - printed, values.std(1, ddof=1)
    found = power(plan(seeds, sd, 669))
    needed = cell.smallest_difference(s, seeds, subset)
    assert found.false_alarm == pytest.approx(np.mean(np.abs(d) > needed), abs=0.01)
    assert found.found == pytest.approx(np.mean(np.abs(d + 2) > needed), abs=0.012)
    hit = cell.equivalence_p(values.mean(1), s, seeds) <= 0.05
    assert found.reproduced == pytest.approx(np.mean(hit), abs=0.012)
    hit = cell.equivalence_p(d, s, seeds) <= 0.05
    assert found.reproduced_run == pytest.approx(np.mean(hit), abs=0.012)


def test_limits() -> None:
    sure = power(plan(5, 0.001))
    assert (sure.reproduced, sure.reproduced_run, sure.found) == pytest.approx((1, 1, 1))
    assert sure.false_alarm == pytest.approx(0)
    blind = power(plan(3, 50.0))
    assert blind.reproduced < 0.01 and blind.found == pytest.approx(0.05, abs=0.01)


def test_the_sentence_has_the_numbers() -> None:
    assert "56 %" in power(plan(3, 0.5)).sentence


@pytest.mark.parametrize(("seeds", "sd"), [(1, 0.5), (3, 0.0), (3, float("nan"))])
def test_a_plan_without_spread_is_refused(seeds: int, sd: float) -> None:
    with pytest.raises(ValueError, match="at least 2 seeds"):
        plan(seeds, sd)
