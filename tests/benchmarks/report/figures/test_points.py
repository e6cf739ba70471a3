"""What figures show: looks, spreads, and the numbers behind every point, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from benchmarks.plan.measurements import Figure as Timed
from benchmarks.plan.measurements import Figures, key_for
from benchmarks.records.record import RunRecord
from benchmarks.report import statistics
from benchmarks.report.figures.figure import Figure, luminance
from benchmarks.report.figures.material import NO_SPREAD, RANGE, T_INTERVAL, spread, spreads
from benchmarks.report.figures.style import looks
from benchmarks.report.figures.write import make_figures
from tests.benchmarks.report.builders import CONFIG, PAPERS, READY, cell_of, plan, record, runs

CELLS = plan(avmnist=READY)
JOINT, SAM, MSAM, SINGLE = (
    cell_of(CELLS, row) for row in ("Joint-Train", "SAM", "M-SAM", "Single-audio")
)


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""


def history(*epochs: tuple[float, float], **train: float) -> list[dict[str, Any]]:
    """Epochs from (train accuracy, test accuracy); validation is best at the last."""
    return [
        {
            "epoch": number,
            "train": {"acc_mm": of_train, **train},
            "val": {"acc_mm": number / 100},
            "test": {"acc_mm": of_test, "acc_audio": of_test / 2},
        }
        for number, (of_train, of_test) in enumerate(epochs, 1)
    ]


def figure(name: str, records: list[RunRecord], cells: Any = CELLS, **words: Any) -> Figure:
    """The figure of this name."""
    made = make_figures(CONFIG, "paper", {"table1": cells}, records, **words)
    return next(f for f in made if f.name == f"{name}_table1")


def test_gains_are_over_joint_train_with_as_many_wrong_labels() -> None:
    cells = plan("noise", avmnist=READY)
    accuracies = {"Joint-Train": 50.0, "SAM": 60.0, "Joint-Train, 60 % wrong": 20.0}
    accuracies |= {"SAM, 60 % wrong": 30.0, "SAM, 40 % wrong": 40.0}
    made = [r for row, percent in accuracies.items() for r in runs(cell_of(cells, row), percent)]
    figures = make_figures(CONFIG, "paper", {"noise": cells}, made)
    gains = next(f for f in figures if f.name == "relative_gain_noise").points
    assert {p.row: p.mean for p in gains} == {"SAM": 20.0, "SAM, 60 % wrong": 50.0}


def test_no_two_methods_share_a_colour() -> None:
    colours = [method.colour for method in CONFIG.methods.values()]
    assert len(set(colours)) == len(colours)


def test_rows_that_look_alike_in_grey_differ_in_dash_or_marker() -> None:
    every = looks(CONFIG)
    assert {row.label for name in PAPERS for row in CONFIG.suites[name].rows} <= set(every)
    alike = [
        (a, b)
        for (a, one), (b, other) in combinations(every.items(), 2)
        if abs(luminance(one.colour) - luminance(other.colour)) < 0.15
        and (one.dash, one.marker) == (other.dash, other.marker)
    ]
    assert alike == []


@pytest.mark.parametrize("suite", PAPERS)
def test_every_row_of_a_table_has_a_marker_of_its_own(suite: str) -> None:
    """Where there are no lines, markers alone tell rows apart."""
    markers = [looks(CONFIG)[row.label].marker for row in CONFIG.suites[suite].rows]
    assert len(set(markers)) == len(markers)


def test_the_order_is_that_of_the_tables() -> None:
    every = looks(CONFIG)
    rows = [row.label for row in CONFIG.suites["table1"].rows]
    assert sorted(rows, key=lambda label: every[label].order) == rows
    assert max(every[row].order for row in rows) < every["MASAM"].order


def test_luminance_of_white_black_and_green() -> None:
    found = [luminance(colour) for colour in ("#ffffff", "#000000", "#00ff00")]
    assert found == pytest.approx([1, 0, 0.7152])


@pytest.mark.parametrize(
    ("values", "mean", "ends", "kind"),
    [
        ([70.0, 71.0, 75.0], 72.0, statistics.t_interval([70, 71, 75]), T_INTERVAL),
        ([70.0, 73.0], 71.5, (70.0, 73.0), RANGE),
        ([70.0], 70.0, (math.nan, math.nan), NO_SPREAD),
    ],
)
def test_the_spread_of_three_runs_of_two_and_of_one(values, mean, ends, kind) -> None:
    found = spread(values)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-4, nan_ok=True)
    assert (found.n, found.mean, found.kind) == (len(values), mean, kind)


def test_runs_of_different_lengths_with_gaps() -> None:
    found = spreads([[1.0, 2.0, 5.0], [3.0], [math.nan, 4.0]])
    assert [s.n for s in found] == [2, 2, 1]
    assert [s.mean for s in found] == [2.0, 3.0, 5.0]


def test_overfitting_gap_is_equation_1() -> None:
    record_ = record(MSAM, 0, history=history((0.9, 0.6), (0.3, 0.4), (0.5, 0.0)))
    points = figure("overfitting_gap", [record_]).points
    assert [(p.epoch, p.mean) for p in points] == [(1, 0.5), (2, 0.25)]  # none without accuracy


def test_a_learning_curve_is_the_mean_over_seeds_in_percent() -> None:
    accuracies = (0.5, 0.6, 0.7)
    records = [record(MSAM, s, history=history((1, a))) for s, a in enumerate(accuracies)]
    points = {p.output: p for p in figure("learning_curves_avmnist", records).points}
    assert set(points) == {"audio", "mm"}
    assert (points["mm"].mean, points["audio"].mean, points["mm"].n) == (60.0, 30.0, 3)
    assert points["mm"].low == pytest.approx(statistics.t_interval([50, 60, 70])[0], abs=1e-4)


def test_a_run_that_stopped_early_leaves_the_mean() -> None:
    long, short = history((1, 0.5), (1, 0.7)), history((1, 0.6))
    records = [record(MSAM, 0, history=long), record(MSAM, 1, history=short)]
    made = figure("learning_curves_avmnist", records)
    fused = [p for p in made.points if p.output == "mm"]
    assert [(p.epoch, p.n, p.runs, p.mean) for p in fused] == [(1, 2, 2, 55.0), (2, 1, 2, 70.0)]
    assert "pale" in made.caption


def test_contributions_are_those_of_the_modalities() -> None:
    shares = {"contribution_audio": 0.2, "contribution_visual": 0.8, "contribution_dominant": 0.9}
    records = [record(MSAM, 0, history=history((1, 1), **shares)), *runs(SAM, 50.0)]
    points = figure("contributions", records).points
    assert {(p.row, p.output, p.mean) for p in points} == {("M-SAM", "audio", 0.2)}, (
        "the visual one is the rest"
    )


def test_gain_is_equation_21_seed_by_seed() -> None:
    records = [*runs(JOINT, 50.0, 60.0), *runs(MSAM, 55.0, 72.0, 90.0)]
    (point,) = figure("relative_gain", records).points
    assert (point.row, point.runs, point.mean) == ("M-SAM", 2, 15.0)
    assert (point.low, point.high, point.spread) == (10.0, 20.0, RANGE)
    assert point.paper == pytest.approx(100 * (74.08 - 68.41) / 68.41, abs=1e-4)


def test_every_seed_is_a_point_beside_the_paper() -> None:
    points = figure("seeds_avmnist", [*runs(MSAM, 70.0, 74.0), *runs(SINGLE, 40.0)]).points
    found = {(p.row, p.output, p.seed): (p.accuracy, p.mean, p.paper) for p in points}
    assert found["M-SAM", "mm", 1] == (74.0, 72.0, 74.08)
    assert found["Single-audio", "audio", 0] == (40.0, 40.0, 39.61)
    assert len(found) == 7


def test_cost_is_that_of_bench_and_not_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = [key_for(JOINT.template, name) for name in ("joint_train", "msam", "sam")]
    sources = ("a", "a", "b")
    timed = {k: Timed(v, on) for k, v, on in zip(network, (0.1, 0.2, 0.9), sources, strict=True)}
    monkeypatch.setattr("benchmarks.report.figures.cost.load_figures", lambda: Figures(timed))
    busy = {"epoch_seconds": [1000.0]}
    records = [*runs(JOINT, 60.0), *runs(SAM, 65.0)]
    records += [replace(run, timing=busy) for run in runs(MSAM, 70.0, 72.0)]
    points = {p.row: p for p in figure("cost", records).points}
    assert points.keys() == {"Joint-Train", "M-SAM"}, "SAM was timed on another machine"
    assert [points[row].cost for row in points] == [1.0, 2.0]
    assert (points["M-SAM"].accuracy, points["M-SAM"].runs) == (71.0, 2)


def test_numbers_are_those_of_the_reported_epoch() -> None:
    run = record(MSAM, 0, history=history((1, 0.8), (1, 0.7)))
    found = {
        rule: next(p for p in figure("seeds_avmnist", [run], selection=rule).points)
        for rule in ("val-best", "test-oracle")
    }
    assert found["val-best"].accuracy == 35.0  # audio
    assert found["test-oracle"].accuracy == 40.0


def test_only_finished_runs_on_the_present_data_count() -> None:
    records = [
        record(MSAM, 0, 70.0),
        record(MSAM, 1, 10.0, fingerprint="print-b"),
        record(MSAM, 2, 20.0, status="diverged"),
    ]
    for name in ("learning_curves_avmnist", "seeds_avmnist"):
        assert {p.mean for p in figure(name, records).points} == {70.0}


@pytest.mark.parametrize(
    ("name", "records", "reason"),
    [
        ("seeds_ave", [], "no finished run (data missing)"),
        ("seeds_avmnist", [], "no finished run (no record yet)"),
        ("contributions", runs(SAM, 60.0), "no finished run records contributions"),
        ("relative_gain", [record(JOINT, 0, 50.0), record(MSAM, 1, 55.0)], "seed of Joint-Train"),
        ("learning_curves_avmnist", runs(SINGLE, 40.0), "on all modalities"),
    ],
)
def test_a_figure_without_points_says_why(name, records, reason) -> None:
    """A gain needs the same seed of Joint-Train, and a Single row has no curve."""
    made = figure(name, records)
    assert not made.points and reason in made.absent
