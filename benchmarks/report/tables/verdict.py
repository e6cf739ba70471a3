"""The verdict of a cell: does the paper's number reproduce?

First come the obstacles: where one of them applies, the numbers are not compared. Otherwise, with
d = ours - paper and two intervals: that of the seeds (95 %, Student's t), and the wide one, which
adds to it, in quadrature, the error of a finite test set (half of Wilson's 95 % interval on our
test samples):

- `reproduced`: the whole interval of the seeds lies within paper +- margin (so |d| does, too);
- `differs`: |d| exceeds the margin and even the wide interval excludes the paper's value;
- `within noise`: anything else. Mostly an interval covers the paper's value but is too wide to call
  it equal. It is also the verdict where the interval excludes the value while d is within the
  margin and the interval leaves it: the seeds show some difference, but not that it matters, and
  more of them would turn the cell into one of the other two.

Why the test set's error counts on one side only. `reproduced` is a statement about a number: the
same training on the same benchmark gives it again. The test samples belong to the benchmark and are
shared, so only the runs vary. `differs` blames something other than chance, and the paper's test
samples may be others than ours: it does not say which part of the test split it used (published
code of this line takes the first 90 %), nor whether a number is of one run. A difference that other
test samples would explain is therefore no proof. Where records do not say how large the test set
is, nothing can be added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.report.statistics import mean, t_interval, test_set_interval

MARGIN = 1.0  # percentage points: differences below it do not matter
FEWEST_RUNS = 2  # one run has no spread

REPRODUCED = "reproduced"
WITHIN_NOISE = "within noise"
DIFFERS = "differs"
COMPARED = {REPRODUCED, WITHIN_NOISE, DIFFERS}

TOO_FEW = "too few runs"
NOT_STARTED = "not run"
MIXED = "mixed data"
RUNS_LOST = "runs lost"
STAND_IN = "stand-in data"
OTHER_PROTOCOL = "not the paper's schedule"
NO_PAPER_VALUE = "no paper value"


@dataclass(frozen=True)
class Facts:
    """What a verdict follows from.

    `values` are ours, one per run, and `paper` is the printed number, all in percent; `paper` is
    NaN where the paper prints none. `test_samples` is None where the records do not say it.
    """

    values: tuple[float, ...]
    paper: float
    test_samples: int | None = None
    started: bool = True  # there is a run, also if none is done
    departs: bool = False  # not trained as in the paper
    stand_in: bool = False
    mixed: bool = False  # the runs saw different preparations of the data
    lost: bool = False  # a run was started and diverged or failed


# What forbids a comparison, in order of precedence.
OBSTACLES: dict[str, Callable[[Facts], bool]] = {
    STAND_IN: lambda facts: facts.stand_in and facts.started,
    NO_PAPER_VALUE: lambda facts: math.isnan(facts.paper),
    NOT_STARTED: lambda facts: not facts.started,
    OTHER_PROTOCOL: lambda facts: facts.departs,
    MIXED: lambda facts: facts.mixed,
    RUNS_LOST: lambda facts: facts.lost,  # the seeds that ended well may not stand for all
    TOO_FEW: lambda facts: len(facts.values) < FEWEST_RUNS,
}


def judge(facts: Facts) -> str:
    """The first obstacle that applies, else the verdict of the numbers."""
    for obstacle, applies in OBSTACLES.items():
        if applies(facts):
            return obstacle
    return _compare(facts)


def _compare(facts: Facts) -> str:
    low, high = t_interval(facts.values)
    if facts.paper - MARGIN <= low and high <= facts.paper + MARGIN:
        return REPRODUCED
    test_low, test_high = test_set_interval(facts.values, facts.test_samples)
    test_error = 0.0 if math.isnan(test_low) else (test_high - test_low) / 2
    noise = math.hypot((high - low) / 2, test_error)
    difference = abs(mean(facts.values) - facts.paper)
    return DIFFERS if difference > MARGIN and difference > noise else WITHIN_NOISE
