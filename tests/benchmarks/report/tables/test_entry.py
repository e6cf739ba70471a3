"""Which runs fill a cell, at which epoch, and what becomes of the others."""

from __future__ import annotations

import math

import pytest

from benchmarks.plan.suites import chosen
from benchmarks.records.record import RunRecord
from tests.benchmarks.report.builders import (
    READY,
    cell_of,
    entry_of,
    epoch,
    plan,
    record,
    runs,
    table,
)

CELLS = plan(avmnist=READY)
MSAM = cell_of(CELLS, "M-SAM")


def test_mean_spread_and_difference_in_percent() -> None:
    entry = entry_of(table(CELLS, runs(MSAM, 73.0, 74.0, 75.0)), "M-SAM")
    assert entry.mean == pytest.approx(74.0)
    assert entry.sd == pytest.approx(1.0)
    assert entry.interval == pytest.approx((74 - 2.484138, 74 + 2.484138))
    assert entry.difference == pytest.approx(74.0 - 74.08)
    assert (entry.state, entry.reason, entry.seeds) == ("done", "", (0, 1, 2))


@pytest.mark.parametrize(
    ("rule", "percent"), [("val-best", 60.0), ("last", 50.0), ("test-oracle", 80.0)]
)
def test_the_rule_chooses_the_epoch(rule: str, percent: float) -> None:
    tests = ((1, 0.3, 0.8), (2, 0.9, 0.6), (3, 0.4, 0.5))
    history = [epoch(n, val, {"acc_mm": t, "acc_audio": t}) for n, val, t in tests]
    filled = table(CELLS, [record(MSAM, 0, history=history)], rule)
    assert entry_of(filled, "M-SAM").mean == pytest.approx(percent)


def test_a_table_is_judged_under_every_rule() -> None:
    """The page shows all; tests of differences are those of the table's own rule."""
    tests = ((1, 0.3, 0.741), (2, 0.9, 0.6))
    history = [epoch(n, val, {"acc_mm": t, "acc_audio": t}) for n, val, t in tests]
    filled = table(CELLS, [record(MSAM, seed, history=history) for seed in range(3)])
    oracle = filled.under("test-oracle")
    entry = entry_of(filled, "M-SAM")
    assert (entry.verdict, "but not at" in entry.judgement.note) == ("inconclusive", True)
    assert entry_of(oracle, "M-SAM").verdict == "reproduced"
    assert (oracle.selection, oracle.contrasts) == ("test-oracle", ())


def test_an_unknown_rule_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="val-best, last, test-oracle"):
        table(CELLS, runs(MSAM, 70.0), "val-bset")


def test_a_cell_has_the_metrics_of_its_dataset() -> None:
    filled = table(CELLS, [])
    for dataset, count in (("avmnist", 3), ("urfunny", 4)):
        metrics = [e.metric for e in filled.entries if (e.row, e.cell.dataset) == ("SAM", dataset)]
        assert len(metrics) == count
        assert metrics[-1] == "acc_mm"


def test_a_single_row_fills_its_own_modality_only() -> None:
    filled = table(CELLS, runs(cell_of(CELLS, "Single-audio"), 39.0, 40.0))
    assert entry_of(filled, "Single-audio", "avmnist:acc_audio").mean == pytest.approx(39.5)
    assert filled.at("Single-audio", "avmnist:acc_visual") is None
    assert filled.at("Single-audio", "avmnist:acc_mm") is None


def test_records_of_other_cells_do_not_count() -> None:
    elsewhere = runs(cell_of(plan(profile="quick", avmnist=READY), "M-SAM"), 10.0, 20.0)
    early = runs(cell_of(plan("table2", avmnist=READY), "M-SAM"), 30.0)
    entry = entry_of(table(CELLS, [*elsewhere, *early, *runs(MSAM, 70.0)]), "M-SAM")
    assert entry.values == pytest.approx((70.0,))


def test_the_same_record_counts_once() -> None:
    entry = entry_of(table(CELLS, runs(MSAM, 70.0) * 2), "M-SAM")
    assert len(entry.values) == 1


def lost(seed: int, status: str, reason: str = "") -> RunRecord:
    return record(MSAM, seed, 1.0, status=status, reason=reason, history=[])


OTHER_DATA = runs(MSAM, 10.0, 20.0, fingerprint="print-old")
BARE = record(MSAM, 0, history=[epoch(1, 0.5, {"acc_mm": 0.7})])


@pytest.mark.parametrize(
    ("records", "state", "reason", "values"),
    [
        (
            [record(MSAM, 0, 74.0), lost(1, "diverged", "the loss is\nnot finite")],
            "done",
            "diverged (seed 1, the loss is not finite); 1 of 3 planned seeds",
            [74.0],
        ),
        (
            [lost(0, "diverged"), lost(1, "failed", "no memory")],
            "diverged, failed",
            "diverged (seed 0); failed (seed 1, no memory)",
            [],
        ),
        ([lost(0, "unsupported", "why")], "not run", "unsupported (seed 0, why)", []),
        (
            [lost(seed, "failed", why) for seed, why in enumerate("xxy")],
            "failed",
            "failed (seeds 0, 1, x); failed (seed 2, y)",
            [],
        ),
        ([], "no record yet", "", []),
        (
            [*OTHER_DATA, *runs(MSAM, 74.0, 74.2)],
            "done",
            "runs on other data left out: 2; 2 of 3 planned seeds",
            [74.0, 74.2],
        ),
        ([BARE], "done", "1 of 3 planned seeds", [70.0]),
        (
            runs(MSAM, 74.0, 74.1, 74.2, 99.0),
            "done",
            "shown but not judged, as not planned: seed 3",
            [74.0, 74.1, 74.2, 99.0],
        ),
    ],
)
def test_state_and_reason_say_what_became_of_the_runs(
    records: list[RunRecord], state: str, reason: str, values: list[float]
) -> None:
    entry = entry_of(table(CELLS, records), "M-SAM")
    assert (entry.state, entry.reason) == (state, reason)
    assert entry.values == pytest.approx(tuple(values))
    assert math.isnan(entry.mean) == (not values)
    assert (entry.verdict == "not run") == (state in ("not run", "no record yet"))


def test_a_record_without_the_metric_is_named() -> None:
    audio = entry_of(table(CELLS, [BARE]), "M-SAM", "avmnist:acc_audio")
    assert (audio.state, audio.reason) == ("not measured", "no acc_audio in the record (seed 0)")


def test_without_the_data_all_records_count_and_mixtures_are_no_comparison() -> None:
    missing = entry_of(table(CELLS, []), "M-SAM", "ave:acc_mm")
    assert (missing.state, missing.reason) == ("not run", "data missing")
    entry = entry_of(table(plan(), runs(MSAM, 74.0, 74.2, 74.1)), "M-SAM")
    assert (entry.state, entry.reason, len(entry.values)) == ("done", "", 3)
    prints = enumerate("bcb")
    mixed = [record(MSAM, seed, 74.0 + seed / 10, fingerprint=f) for seed, f in prints]
    entry = entry_of(table(plan(), mixed), "M-SAM")
    assert (entry.reason, entry.verdict) == ("mixed data (fingerprints b, c)", "mixed data")


def test_a_choice_of_cells_gives_no_others() -> None:
    some = chosen(CELLS, ("avmnist",), ("msam",))
    assert {(e.row, e.cell.dataset) for e in table(some, []).entries} == {("M-SAM", "avmnist")}
