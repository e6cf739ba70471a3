"""The verdict of a cell: does the paper's number reproduce?

With at least two runs on real data under the paper's schedule, with d = ours - paper and two
intervals: that of the seeds (95 %, Student's t), and the wide one, which adds to it, in quadrature,
the error of a finite test set (half of Wilson's 95 % interval on our test samples):

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
from typing import Any

from benchmarks.plan.experiment import Experiment
from benchmarks.records.evidence import NO_RECORD, NOT_RUN
from benchmarks.report.tables.entry import Entry

MARGIN = 1.0  # percentage points: differences below it do not matter
FEWEST_RUNS = 2  # one run has no spread

REPRODUCED = "reproduced"
WITHIN_NOISE = "within noise"
DIFFERS = "differs"
TOO_FEW = "too few runs"
NOT_STARTED = "not run"
MIXED = "mixed data"
RUNS_LOST = "runs lost"
STAND_IN = "stand-in data"
OTHER_PROTOCOL = "not the paper's schedule"
NO_PAPER_VALUE = "no paper value"


def judge(entry: Entry, departs: bool, margin: float = MARGIN) -> str:
    """The verdict of an entry; `departs` says that it was not trained as in the paper."""
    started = entry.state not in (NOT_RUN, NO_RECORD)
    obstacles = {  # in order of precedence
        STAND_IN: entry.stand_in and started,
        NO_PAPER_VALUE: math.isnan(entry.paper),
        NOT_STARTED: not started,
        OTHER_PROTOCOL: departs,
        MIXED: entry.mixed,
        RUNS_LOST: entry.lost,  # the seeds that ended well may not stand for all
        TOO_FEW: len(entry.values) < FEWEST_RUNS,
    }
    found = [verdict for verdict, applies in obstacles.items() if applies]
    return found[0] if found else _compare(entry, margin)


def departures(ours: Experiment, papers: Experiment) -> list[str]:
    """Where our training differs from the paper's: `epochs 2 (paper: 100)`, `optim.lr ...`."""
    mine, theirs = _flat(ours.to_dict()), _flat(papers.to_dict())
    return [
        f"{key} {mine.get(key, 'unset')} (paper: {theirs.get(key, 'unset')})"
        for key in {**theirs, **mine}
        if key not in _FREE and mine.get(key) != theirs.get(key)
    ]


# No part of the schedule. The paper does not say what it validated on: a run under the published
# protocol is labelled, and compared.
_FREE = {"seed", "data.fingerprint", "data.stand_in", "data.protocol"}


def _compare(entry: Entry, margin: float) -> str:
    low, high = entry.interval
    if entry.paper - margin <= low and high <= entry.paper + margin:
        return REPRODUCED
    covers = abs(entry.difference) <= wide_half_width(entry)
    return DIFFERS if abs(entry.difference) > margin and not covers else WITHIN_NOISE


def wide_half_width(entry: Entry) -> float:
    """Half of the interval that holds the spread of the seeds and the test set's error."""
    low, high = entry.interval
    test_error = 0.0 if math.isnan(entry.test_error) else entry.test_error
    return math.hypot((high - low) / 2, test_error)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings by their path: {"optim": {"lr": 0.1}} gives {"optim.lr": 0.1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = value if isinstance(value, dict) else None
        flat |= {key: value} if nested is None else {f"{key}.{k}": v for k, v in nested.items()}
    return {key: value for key, value in flat.items() if value is not None}
