"""The expected calibration error, by hand and for the runs of a report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.records.predictions import Predictions
from benchmarks.report.tables.calibration import expected_calibration_error
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    READY,
    Fitting,
    cell_of,
    plan,
    record,
    request_of,
    save_arrays,
)

CELLS = plan(avmnist=READY)
SAM = cell_of(CELLS, "SAM")


def report(folder: Path, percents: list[float], lower: float | None) -> Report:
    """A report on runs with these accuracies; both classes' logits are 0 and `lower`, if any."""
    runs = [record(SAM, seed, percent) for seed, percent in enumerate(percents)]
    for run in runs:
        arrays = Fitting().arrays(run)
        if lower is not None:
            classes = arrays["epoch1_mm"]
            logits = np.stack([classes * lower, (1 - classes) * lower], 1).astype(np.float16)
            arrays["epoch1_mm_logits"] = logits
        save_arrays(folder / "predictions", run, arrays)
    stored = Predictions(folder / "predictions")
    return write_report(request_of({"table1": CELLS}, runs, predictions=stored), folder / "tables")


def test_an_error_worked_out_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.5, 0.5, 0.21, 0.21])
    right = np.array([True, True, True, False, True, True, False, False])
    # bins (14/15, 1], (7/15, 8/15] and (3/15, 4/15]
    by_hand = (4 * 0.20 + 2 * 0.5 + 2 * 0.21) / 8
    assert expected_calibration_error(confidence, right) == pytest.approx(by_hand)


def test_gaps_of_different_bins_do_not_cancel() -> None:
    confidence, right = np.array([0.9, 0.4]), np.array([False, True])
    assert expected_calibration_error(confidence, right) == pytest.approx((0.9 + 0.6) / 2)


def test_a_bin_holds_its_upper_bound_and_not_its_lower() -> None:
    confidence = np.array([7 / 15, 8 / 15])  # two bins
    assert expected_calibration_error(confidence, np.array([True, False])) == pytest.approx(8 / 15)
    confidence = np.array([7.5 / 15, 8 / 15])  # one bin
    error = expected_calibration_error(confidence, np.array([True, False]))
    assert error == pytest.approx(0.5 / 15 / 2)


def test_certain_and_right_has_no_error() -> None:
    assert expected_calibration_error(np.ones(3, np.float32), np.ones(3, bool)) == 0.0


def test_the_report_has_a_line_per_run_with_logits(tmp_path: Path) -> None:
    written = report(tmp_path, [70.0, 72.0], lower=-2.0)
    lines = pd.read_csv(tmp_path / "tables" / "calibration.csv")
    sure = 100 / (1 + np.exp(-2))
    assert lines["row"].tolist() == ["SAM", "SAM"] and lines["seed"].tolist() == [0, 1]
    assert lines["confidence"].tolist() == pytest.approx([sure, sure], abs=1e-4)
    assert lines["accuracy"].tolist() == pytest.approx([70, 72])
    assert lines["ece"].tolist() == pytest.approx([sure - 70, sure - 72], abs=1e-4)
    assert "calibration" in {study.name for study in written.studies}
    text = (tmp_path / "tables" / "calibration.md").read_text()
    assert f"{sure - 71:.2f}" in text and "SAM" in text


def test_runs_without_logits_have_no_line(tmp_path: Path) -> None:
    written = report(tmp_path, [70.0], lower=None)
    assert pd.read_csv(tmp_path / "tables" / "calibration.csv").empty
    assert "calibration" not in {study.name for study in written.studies}
    assert not (tmp_path / "tables" / "calibration.md").exists()


def test_a_run_with_contradicting_logits_has_no_line(tmp_path: Path) -> None:
    written = report(tmp_path, [70.0], lower=2.0)
    assert pd.read_csv(tmp_path / "tables" / "calibration.csv").empty
    assert "records contradict predictions" in written.pages["table1"].lower()
