"""What a plan can show before it runs: how often each verdict is right, by numeric integration.

Seeds are taken to be normal around their expected accuracy. The integral runs over the standard
deviation that n seeds show by chance. Simulated predictions (docs/calibration.md) agree within 2
points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtr, stdtrit

from benchmarks.report.rules.cell import LEVEL, MARGIN, smallest_difference, subset_error

SHIFT = 2.0  # percentage points: the difference that a plan is asked to find
_STEPS = 2000  # of the integral: its error is below 0.1 %


@dataclass(frozen=True)
class Plan:
    """A cell before it runs: `sd` over seeds and `accuracy` in percent, test samples of both."""

    seeds: int
    sd: float
    accuracy: float
    our_samples: int
    paper_samples: int

    def __post_init__(self) -> None:
        if self.seeds < 2 or not self.sd > 0:
            raise ValueError(
                f"a plan with {self.seeds} seeds and sd {self.sd} has no power; "
                "it needs at least 2 seeds and an sd above 0"
            )


@dataclass(frozen=True)
class Power:
    """Probabilities of verdicts.

    `reproduced`: our expected accuracy equals the printed number. `reproduced_run`: the printed
    number is one run of the same training. `false_alarm`: `differs`, in that case. `found`:
    `differs`, where the paper's training gives SHIFT points more or less than ours.
    """

    reproduced: float
    reproduced_run: float
    false_alarm: float
    found: float

    @property
    def sentence(self) -> str:
        """For people who plan."""
        return (
            f"a true match is called reproduced in {100 * self.reproduced:.0f} % of cells "
            f"({100 * self.reproduced_run:.0f} % if the printed number is one run), "
            f"a difference of {SHIFT:g} points is found in {100 * self.found:.0f} %"
        )


def power(plan: Plan) -> Power:
    """The power of a plan."""
    one_run = _one_run_error(plan)
    return Power(
        _reproduced(plan, plan.sd / math.sqrt(plan.seeds)),
        _reproduced(plan, one_run),
        _differs(plan, one_run, 0.0),
        _differs(plan, one_run, SHIFT),
    )


def _one_run_error(plan: Plan) -> float:
    """Standard deviation of our mean minus one run on the paper's part of the test samples."""
    subset = float(subset_error(plan.accuracy, plan.paper_samples, plan.our_samples))
    return math.hypot(plan.sd * math.sqrt(1 + 1 / plan.seeds), subset)


def _shown_sds(plan: Plan) -> np.ndarray:
    """Equally likely standard deviations that the seeds may show: (_STEPS,)."""
    freedom = plan.seeds - 1
    return plan.sd * np.sqrt(chdtri(freedom, (np.arange(_STEPS) + 0.5) / _STEPS) / freedom)


def _reproduced(plan: Plan, error: float) -> float:
    half = stdtrit(plan.seeds - 1, 1 - LEVEL) * _shown_sds(plan) / math.sqrt(plan.seeds)
    room = np.maximum(0.0, MARGIN - half)
    return float(np.mean(2 * ndtr(room / error) - 1))


def _differs(plan: Plan, error: float, shift: float) -> float:
    subset = subset_error(plan.accuracy, plan.paper_samples, plan.our_samples)
    needed = smallest_difference(_shown_sds(plan), plan.seeds, subset)
    return float(np.mean(ndtr((shift - needed) / error) + ndtr((-shift - needed) / error)))
