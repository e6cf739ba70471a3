"""Every verdict, and the order in which they exclude each other. The paper's value is 74.08."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.report.tables.entry import departures
from benchmarks.report.tables.verdict import OBSTACLES, Facts, judge
from tests.benchmarks.report.builders import READY, cell_of, entry_of, plan, record, runs, table

CELLS = plan(avmnist=READY)
MSAM = cell_of(CELLS, "M-SAM")


@pytest.mark.parametrize(
    ("percents", "verdict"),
    [
        ((69.9, 70.0, 70.1), "reproduced"),  # 70.0 +- 0.25
        ((70.4, 70.5, 70.6), "reproduced"),  # 70.5 +- 0.25: not covered, yet equal by the margin
        ((69.0, 70.0, 71.0), "within noise"),  # 70.0 +- 2.5
        ((66.0, 72.0, 78.0), "within noise"),  # 72.0 +- 14.9: covered, beyond the margin
        ((70.8, 70.9, 71.0), "within noise"),  # 70.9 +- 0.25: neither covered nor inside
        ((71.2, 71.3, 71.4), "differs"),  # 71.3 +- 0.25
        ((70.8, 71.2, 71.6), "differs"),  # 71.2 +- 0.99: excludes 70.0, reaches into the margin
        ((64.9, 65.0, 65.1), "differs"),
        ((70.0,), "too few runs"),
    ],
)
def test_margin_and_interval_decide(percents: tuple[float, ...], verdict: str) -> None:
    assert judge(Facts(percents, 70.0)) == verdict


@pytest.mark.parametrize(
    ("samples", "verdict"), [(10_000, "differs"), (744, "within noise"), (None, "differs")]
)
def test_a_difference_within_the_test_sets_error_is_noise(
    samples: int | None, verdict: str
) -> None:
    # Wilson at 71.8 %: +- 0.88 of 10,000 and 3.23 of 744; the seeds add 0.25, the difference is 1.8
    assert judge(Facts((71.7, 71.8, 71.9), 70.0, samples)) == verdict


def test_the_first_obstacle_that_applies_is_the_verdict() -> None:
    """Each one alone, and with every later one."""
    worst = {
        "stand_in": True, "paper": math.nan, "started": False, "departs": True, "mixed": True,
        "lost": True, "values": (70.0,),
    }  # fmt: skip
    found, good = [], Facts((69.9, 70.0, 70.1), 70.0)
    for number, (name, value) in enumerate(worst.items()):
        # Stand-in data that was never run is just not run.
        later = {k: v for k, v in list(worst.items())[number:] if k != "started" or number}
        alone = judge(replace(good, **{name: value}))
        assert judge(replace(good, **later)) == alone, name
        found.append(alone)
    assert found == list(OBSTACLES)
    assert judge(replace(good, stand_in=True, started=False)) == "not run"


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
