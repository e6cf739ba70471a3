"""Every verdict, and the order in which they exclude each other. The paper's value is 74.08."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.report.tables.entry import departures
from benchmarks.report.tables.verdict import MIXED_CODE, OBSTACLES, UNSOUND, Facts, judge
from tests.benchmarks.report.builders import READY, cell_of, entry_of, plan, record, runs, table

CELLS = plan(avmnist=READY)
MSAM = cell_of(CELLS, "M-SAM")


GOOD = Facts((69.9, 70.0, 70.1), (69.9, 70.0, 70.1), 70.0, 744, 744, planned=3)


def judged(**changes: Any) -> str:
    return judge(replace(GOOD, **changes)).verdict


def test_without_an_obstacle_the_numbers_decide() -> None:
    assert judged() == "reproduced"
    assert judged(paper=80.0) == "differs"
    assert judged(values=(69.0, 70.0, 71.0)) == "inconclusive"
    assert judged(paper=72.0, oracle=(71.0, 72.0, 73.0)) == "inconclusive", "one epoch only"


@pytest.mark.parametrize("count", [1, 2])
def test_a_verdict_needs_all_planned_seeds(count: int) -> None:
    assert judged(values=GOOD.values[:count], oracle=GOOD.oracle[:count]) == "too few runs"
    assert judged(values=(70.0,), oracle=(70.0,), planned=1) == "too few runs"


def test_the_first_obstacle_that_applies_is_the_verdict() -> None:
    """Each one alone, and with every later one."""
    kinds = [*UNSOUND, MIXED_CODE]
    worst = [
        *({"findings": frozenset(kinds[n:])} for n in range(len(UNSOUND))),
        {"stand_in": True}, {"paper": math.nan}, {"started": False}, {"departs": True},
        {"mixed": True}, {"findings": frozenset([MIXED_CODE])}, {"lost": True},
        {"values": (70.0,)},
    ]  # fmt: skip
    found = []
    for number, change in enumerate(worst):
        alone = judged(**change)
        later: dict[str, Any] = {}
        for other in worst[number:][::-1]:
            later |= other
        if change == {"stand_in": True}:
            later["started"] = True  # stand-in data that was never run is just not run
        assert judged(**later) == alone
        found.append(alone)
    assert found == list(OBSTACLES)
    assert judged(stand_in=True, started=False) == "not run"


@pytest.mark.parametrize("percent", [74.08, 20.0])
@pytest.mark.parametrize("count", [1, 3])
def test_stand_in_data_never_gets_another_verdict(percent: float, count: int) -> None:
    for profile in ("paper", "demo", "quick"):
        cells = plan(profile=profile, avmnist=READY)
        records = runs(cell_of(cells, "M-SAM"), *[percent] * count, stand_in=True)
        filled = table(cells, records, profile=profile)
        verdicts = {e.verdict for e in filled.entries if e.measured}
        assert verdicts == {"stand-in data"}


def test_one_stand_in_run_taints_its_cell() -> None:
    records = [*runs(MSAM, 74.0, 74.1), record(MSAM, 2, 74.2, stand_in=True)]
    assert entry_of(table(CELLS, records), "M-SAM").verdict == "stand-in data"


def test_another_schedule_gets_no_verdict_against_the_paper() -> None:
    cells = plan(profile="quick", avmnist=READY)
    filled = table(cells, runs(cell_of(cells, "M-SAM"), 74.0, 74.1, 74.2), profile="quick")
    assert entry_of(filled, "M-SAM").verdict == "not the paper's schedule"
    assert "epochs 2 (paper: 100)" in filled.departures


def test_the_papers_schedule_departs_nowhere() -> None:
    filled = table(CELLS, runs(MSAM, 74.0, 74.1, 74.2))
    assert filled.departures == []
    assert entry_of(filled, "M-SAM").verdict == "reproduced"


def test_departures_name_setting_and_both_values() -> None:
    paper = MSAM.template
    ours = replace(
        paper, seed=5, train_samples=64, params={"rho": 0.1}, data={**paper.data, "components": 3}
    )
    assert departures(ours, paper) == [
        "params.rho 0.1 (paper: 0.05)",
        "data.components 3 (paper: 4)",
        "train_samples 64 (paper: unset)",
    ]


def test_seed_and_preparation_are_no_departure() -> None:
    paper = MSAM.template
    other = {**paper.data, "fingerprint": "x", "stand_in": True, "protocol": "published"}
    assert departures(replace(paper, seed=7, data=other), paper) == []


def test_runs_that_are_lost_leave_no_verdict() -> None:
    bad = [record(MSAM, seed, status="diverged") for seed in range(3)]
    assert entry_of(table(CELLS, bad), "M-SAM").verdict == "runs lost"
    good = runs(MSAM, *[74.08 + x for x in (0.0, 0.1, -0.1)])
    assert entry_of(table(CELLS, good), "M-SAM").verdict == "reproduced"
    lost = [*good, record(MSAM, 7, status="failed", reason="no memory")]
    assert entry_of(table(CELLS, lost), "M-SAM").verdict == "runs lost"


def test_what_the_paper_does_not_print_has_no_verdict() -> None:
    assert entry_of(table(CELLS, []), "OGM-GE", "urfunny:acc_mm").verdict == "no paper value"


def test_missing_cells_are_not_run() -> None:
    filled = table(CELLS, [])
    assert entry_of(filled, "M-SAM").verdict == "not run"
    assert entry_of(filled, "M-SAM", "ave:acc_mm").verdict == "not run"
