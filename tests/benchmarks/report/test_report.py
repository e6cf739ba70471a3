"""The whole report: files, exit status, and any mixture of records."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.plan.suites import Cell
from benchmarks.records.record import RunRecord
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    PAPERS,
    READY,
    cell_of,
    csv_lines,
    epoch,
    plan,
    record,
    request_of,
    runs,
)

SUITES = {name: plan(name, avmnist=READY) for name in PAPERS}
SINGLE = cell_of(SUITES["table1"], "Single-audio")  # 39.61 in the paper


def report(
    cells: list[Cell], records: list[RunRecord], out: Path, profile: str = "paper"
) -> Report:
    return write_report(request_of({"table1": cells}, records, profile), out)


def test_every_file_is_written_and_named(tmp_path: Path) -> None:
    written = write_report(request_of(SUITES, []), tmp_path)
    names = {f"table{n}.{suffix}" for n in (1, 2) for suffix in ("csv", "md", "tex")}
    others = ("metrics", "comparison", "significance", "selection", "claims", "runs", "left_out")
    names |= {"claims.md", *(f"{name}.csv" for name in others)}
    assert {path.name for path in written.files} == names
    assert {path.name for path in tmp_path.iterdir()} == names
    assert set(written.pages) == {"table1", "table2"}


def test_comparison_has_one_line_per_entry(tmp_path: Path) -> None:
    write_report(request_of(SUITES, runs(SINGLE, 39.0, 40.0)), tmp_path)
    lines = pd.read_csv(tmp_path / "comparison.csv")
    # table 1: ten full rows of 13, three Single rows of 4, 4 and 1; table 2: seven rows of 13
    assert len(lines) == 10 * 13 + 9 + 7 * 13
    line = lines.iloc[0]
    assert (line["row"], line["dataset"], line["metric"]) == (
        "Single-audio",
        "avmnist",
        "acc_audio",
    )
    assert (line["n"], line["mean"], line["paper"]) == (2, 39.5, 39.61)
    assert line["difference"] == pytest.approx(-0.11)
    assert line["verdict"] == "too few runs"
    assert (line["profile"], line["selection"], line["seeds"]) == ("paper", "val-best", "0 1")
    assert len(line["run_ids"].split()) == 2


def test_the_tidy_frame_has_a_line_per_run_metric_and_rule(tmp_path: Path) -> None:
    cell = cell_of(SUITES["table1"], "M-SAM")
    tests = ((1, 0.9, 0.70), (2, 0.2, 0.72), (3, 0.3, 0.69))
    history = [epoch(n, val, {"acc_mm": t, "acc_audio": t / 2}) for n, val, t in tests]
    sized = record(cell, 4, history=history)
    sized = replace(sized, data={**sized.data, "sizes": {"test": 100}})
    bad = record(cell, 5, status="diverged")
    report([cell], [sized, bad], tmp_path)
    frame = pd.read_csv(tmp_path / "metrics.csv")
    fused = frame[frame["metric"] == "acc_mm"].set_index("selection")
    assert set(frame["metric"]) == {"acc_audio", "acc_mm"}, "the record has no acc_visual"
    assert len(frame) == 2 * 3
    assert fused["epoch"].to_dict() == {"val-best": 1, "last": 3, "test-oracle": 2}
    assert fused["value"].to_dict() == {"val-best": 70.0, "last": 69.0, "test-oracle": 72.0}
    names = ["suite", "dataset", "fusion", "row", "seed", "test_samples", "run_id"]
    assert fused.loc["last", names].tolist() == [
        "table1", "avmnist", "late", "M-SAM", 4, 100, sized.run_id
    ]  # fmt: skip


def test_other_tables_follow_from_the_tidy_frame(tmp_path: Path) -> None:
    records = [*runs(SINGLE, 39.0, 40.0), *runs(cell_of(SUITES["table2"], "SAM"), 70.0, 71.5, 73.0)]
    write_report(request_of(SUITES, records), tmp_path)
    frame, compared = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("metrics", "comparison"))
    place = ["suite", "row", "dataset", "metric"]
    reported = frame[frame["selection"] == "val-best"].groupby(place)["value"]
    numbers = compared[compared["n"] > 0].set_index(place)[["n", "mean", "sd"]].sort_index()
    again = reported.agg(n="count", mean="mean", sd="std")
    pd.testing.assert_frame_equal(again, numbers, atol=1e-4)
    assert len(again) == 1 + 3


def test_no_difference_is_shown_for_stand_in_data(tmp_path: Path) -> None:
    written = report([SINGLE], runs(SINGLE, 39.0, 40.0, stand_in=True), tmp_path)
    line = pd.read_csv(tmp_path / "comparison.csv").iloc[0]
    assert math.isnan(line["difference"])
    assert (bool(line["stand_in"]), line["verdict"]) == (True, "stand-in data")
    assert written.comparison().startswith("!!! STAND-IN DATA")


@pytest.mark.parametrize(
    ("percents", "status"),
    [
        ((39.5, 39.6, 39.7), 0),  # reproduced
        ((38.0, 39.6, 41.0), 0),  # inconclusive
        ((45.5, 45.6, 45.7), 1),  # differs
        ((39.6,), 2),  # too few runs
        ((), 2),  # not run
    ],
)
def test_exit_status(percents: tuple[float, ...], status: int, tmp_path: Path) -> None:
    written = report([SINGLE], runs(SINGLE, *percents), tmp_path)
    assert written.exit_status == status
    assert ("Nothing was compared" in written.comparison()) == (status == 2)


def test_a_difference_outranks_missing_cells(tmp_path: Path) -> None:
    written = report(SUITES["table1"], runs(SINGLE, 45.5, 45.6, 45.7), tmp_path)
    assert written.exit_status == 1


def test_another_schedule_is_no_success(tmp_path: Path) -> None:
    cell = cell_of(plan(profile="quick", avmnist=READY), "Single-audio")
    written = report([cell], runs(cell, 39.6, 39.6, 39.6), tmp_path, "quick")
    assert written.exit_status == 2
    assert written.comparison().startswith("!!! NOT THE PAPER'S SCHEDULE")


def test_the_demo_is_undecided_and_says_so(tmp_path: Path) -> None:
    cells = plan(profile="demo", avmnist=READY)
    records = runs(cell_of(cells, "Single-audio"), 12.0, 13.0, stand_in=True)
    written = report(cells, records, tmp_path, "demo")
    assert written.exit_status == 2
    assert "Nothing was compared" in written.comparison()
    assert written.pages["table1"].startswith("!!! STAND-IN DATA")


def test_cells_that_differ_come_first_the_undecided_next(tmp_path: Path) -> None:
    cells = {"Single-audio": (45.5, 45.6, 45.7), "Single-visual": (65.1, 65.15, 65.2)}
    records = [r for row, values in cells.items()
               for r in runs(cell_of(SUITES["table1"], row), *values)]  # fmt: skip
    records += runs(cell_of(SUITES["table1"], "SAM"), 60.0, 75.0, 80.0)
    written = report(SUITES["table1"], records, tmp_path)
    brief, whole = written.comparison(), written.comparison(True)
    places = [brief.index(word) for word in ("Do the paper", "Differs (1", "Inconclusive (3")]
    assert places == sorted(places)
    assert "Reproduced (1 cell)" in whole and "Reproduced (" not in brief
    assert "AV-MNIST audio" in brief and "avmnist" not in brief
    assert "1 reproduced" in brief and "--all" in brief
    assert written.claims[0].claim.text in whole and written.claims[0].claim.text not in brief


def test_numbers_without_a_verdict_stand_beside_the_papers(tmp_path: Path) -> None:
    cell = cell_of(plan(profile="quick", avmnist=READY), "Single-audio")
    text = report([cell], runs(cell, 38.12), tmp_path, "quick").comparison()
    (line,) = [line for line in text.splitlines() if line.startswith("Single-audio")]
    assert line.split() == ["Single-audio", "38.12", "39.61"]
    assert "no verdict" in text and "Differs" not in text


def test_a_real_cell_beside_stand_in_data_still_counts(tmp_path: Path) -> None:
    other = cell_of(SUITES["table1"], "M-SAM")
    for count in (1, 3):  # too few runs, or enough to decide it
        records = [*runs(other, 74.0, stand_in=True), *runs(SINGLE, *[39.6] * count)]
        assert report([SINGLE, other], records, tmp_path).exit_status == 2


def test_without_cells_there_is_nothing_to_say(tmp_path: Path) -> None:
    written = report([], [], tmp_path)
    assert "no records yet" in written.comparison()
    assert written.exit_status == 2
    assert len(csv_lines(tmp_path / "table1.csv")) == 1 + 13


def test_an_unknown_suite_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no suite 'table3'"):
        write_report(request_of({"table3": []}, []), tmp_path)
