"""The verdict of a cell: does the paper's number reproduce?

First come the obstacles: where one of them applies, the numbers are not compared. Otherwise
`rules/cell.py` compares them: `reproduced`, `inconclusive` or `differs`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.records.audit import (
    CONTRADICTED,
    IDENTICAL,
    INCOMPLETE,
    MIXED_CODE,
    NO_PREDICTIONS,
    UNREADABLE,
)
from benchmarks.report.rules import cell
from benchmarks.report.rules.cell import DIFFERS, INCONCLUSIVE, REPRODUCED, Comparison, Judgement

FEWEST_RUNS = 2  # one run has no spread
COMPARED = {REPRODUCED, INCONCLUSIVE, DIFFERS}

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

    `values` are ours at the reported epoch and `oracle` at the best epoch on test data, both in
    percent with one number per planned seed. `paper` is the printed number, NaN where there is
    none. `planned` is the number of seeds that were to run.
    """

    values: tuple[float, ...]
    oracle: tuple[float, ...]
    paper: float
    paper_samples: int
    test_samples: int
    planned: int
    findings: frozenset[str] = frozenset()  # kinds of `records/audit.py`
    started: bool = True  # there is a run, also if none is done
    departs: bool = False  # not trained as in the paper
    stand_in: bool = False
    mixed: bool = False  # the runs saw different preparations of the data
    lost: bool = False  # a run was started and diverged or failed


def _found(kind: str, facts: Facts) -> bool:
    return kind in facts.findings


# What makes every number of a cell doubtful, also where nothing is compared.
UNSOUND = (CONTRADICTED, NO_PREDICTIONS, UNREADABLE, IDENTICAL, INCOMPLETE)

# What forbids a comparison, in order of precedence.
OBSTACLES: dict[str, Callable[[Facts], bool]] = {
    **{kind: partial(_found, kind) for kind in UNSOUND},
    STAND_IN: lambda facts: facts.stand_in and facts.started,
    NO_PAPER_VALUE: lambda facts: math.isnan(facts.paper),
    NOT_STARTED: lambda facts: not facts.started,
    OTHER_PROTOCOL: lambda facts: facts.departs,
    MIXED: lambda facts: facts.mixed,
    MIXED_CODE: partial(_found, MIXED_CODE),
    RUNS_LOST: lambda facts: facts.lost,  # the seeds that ended well may not stand for all
    # All planned seeds: whoever may stop at any number of them can stop at a fitting mean.
    TOO_FEW: lambda facts: len(facts.values) < max(FEWEST_RUNS, facts.planned),
}


def judge(facts: Facts) -> Judgement:
    """The first obstacle that applies, else the verdict of the numbers."""
    for obstacle, applies in OBSTACLES.items():
        if applies(facts):
            return Judgement(obstacle)
    compared = (
        Comparison(values, facts.paper, facts.paper_samples, facts.test_samples)
        for values in (facts.values, facts.oracle)
    )
    return cell.judge(*compared)
