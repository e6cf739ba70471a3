"""Which runs fill a cell, at which epoch, and what becomes of the others."""

from __future__ import annotations

import math

import pytest

from benchmarks.plan.suites import chosen
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


def test_a_diverged_run_is_shown_and_not_counted() -> None:
    bad = record(MSAM, 1, 1.0, status="diverged", reason="epoch 3: the loss is\nnot finite")
    entry = entry_of(table(CELLS, [record(MSAM, 0, 74.0), bad, record(MSAM, 2, 74.2)]), "M-SAM")
    assert (entry.state, entry.seeds) == ("done", (0, 2))
    assert entry.reason == "diverged (seed 1, epoch 3: the loss is not finite)"


def test_without_a_done_run_the_state_is_what_became_of_the_runs() -> None:
    bad = [record(MSAM, 0, status="diverged"), record(MSAM, 1, status="failed", reason="no memory")]
    entry = entry_of(table(CELLS, bad), "M-SAM")
    assert entry.state == "diverged, failed"
    assert entry.reason == "diverged (seed 0); failed (seed 1, no memory)"
    assert math.isnan(entry.mean)


def test_an_unsupported_cell_is_not_run() -> None:
    refused = record(MSAM, 0, status="unsupported", reason="needs two modalities", history=[])
    entry = entry_of(table(CELLS, [refused]), "M-SAM")
    assert (entry.state, entry.verdict) == ("not run", "not run")
    assert entry.reason == "unsupported (seed 0, needs two modalities)"


def test_the_same_reason_is_given_once_for_all_seeds() -> None:
    bad = [record(MSAM, seed, status="failed", reason=why) for seed, why in enumerate("xxy")]
    entry = entry_of(table(CELLS, bad), "M-SAM")
    assert entry.reason == "failed (seeds 0, 1, x); failed (seed 2, y)"


def test_a_missing_cell_says_why() -> None:
    filled = table(CELLS, [])
    assert entry_of(filled, "M-SAM").state == "no record yet"
    missing = entry_of(filled, "M-SAM", "ave:acc_mm")
    assert (missing.state, missing.reason) == ("not run", "data missing")


def test_records_count_where_the_data_is_gone() -> None:
    entry = entry_of(table(plan(), runs(MSAM, 74.0, 74.2)), "M-SAM")
    assert (entry.state, entry.reason, len(entry.values)) == ("done", "", 2)


def test_runs_on_present_data_go_before_runs_on_other_data() -> None:
    old = runs(MSAM, 10.0, 20.0, fingerprint="print-old")
    entry = entry_of(table(CELLS, [*old, *runs(MSAM, 74.0, 74.2)]), "M-SAM")
    assert entry.values == pytest.approx((74.0, 74.2))
    assert entry.reason == "runs on other data left out: 2"


def test_mixed_data_is_flagged_and_gets_no_comparison() -> None:
    mixed = [record(MSAM, 0, 74.0, fingerprint="b"), record(MSAM, 1, 74.1, fingerprint="c")]
    entry = entry_of(table(plan(), mixed), "M-SAM")
    assert entry.reason == "mixed data (fingerprints b, c)"
    assert entry.verdict == "mixed data"


def test_a_record_without_the_metric_is_named() -> None:
    bare = record(MSAM, 0, history=[epoch(1, 0.5, {"acc_mm": 0.7})])
    filled = table(CELLS, [bare])
    audio = entry_of(filled, "M-SAM", "avmnist:acc_audio")
    assert (audio.state, audio.reason) == ("not measured", "no acc_audio in the record (seed 0)")
    assert entry_of(filled, "M-SAM").values == pytest.approx((70.0,))


def test_a_choice_of_cells_gives_no_others() -> None:
    some = chosen(CELLS, ("avmnist",), ("msam",))
    assert {(e.row, e.cell.dataset) for e in table(some, []).entries} == {("M-SAM", "avmnist")}
