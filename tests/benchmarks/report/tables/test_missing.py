"""Accuracy with a modality absent from a share of the test samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.plan.suites import Cell
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.report.tables.missing import mixture, without
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    READY,
    SAMPLES,
    cell_of,
    epoch,
    plan,
    record,
    request_of,
    save_arrays,
)

CELLS = plan(avmnist=READY, urfunny=READY)


def report(folder: Path, cell: Cell, *runs: Mapping[str, float]) -> Report:
    """A report on runs of `cell`: percent of each output; the record has no accuracy `without_`."""
    made = [stored(folder, cell, seed, outputs) for seed, outputs in enumerate(runs)]
    found = Predictions(folder / "predictions")
    return write_report(request_of({"table1": CELLS}, made, predictions=found), folder / "tables")


def stored(folder: Path, cell: Cell, seed: int, outputs: Mapping[str, float]) -> RunRecord:
    known = {f"acc_{n}": p / 100 for n, p in outputs.items() if not n.startswith("without")}
    made = record(cell, seed, history=[epoch(1, 0.5, known)])
    arrays = {"labels": np.zeros(SAMPLES, np.int16)}
    for name, percent in outputs.items():
        arrays[f"epoch1_{name}"] = np.ones(SAMPLES, np.int16)
        arrays[f"epoch1_{name}"][: round(percent * SAMPLES / 100)] = 0
    save_arrays(folder / "predictions", made, arrays)
    return made


def lines(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / "missing.csv")


def test_of_two_modalities_the_other_output_is_what_remains(tmp_path: Path) -> None:
    cell = cell_of(CELLS, "M-SAM", "avmnist")
    outputs = {"mm": 80.0, "audio": 40.0, "visual": 60.0}
    written = report(tmp_path, cell, outputs, {**outputs, "audio": 44.0})
    found = lines(tmp_path).query("seed == 0").pivot(index="share", columns="absent")["accuracy"]
    assert found["visual"].tolist() == pytest.approx([80, 76, 68, 60, 52, 40])
    assert found["audio"].tolist() == pytest.approx([80, 78, 74, 70, 66, 60])
    (study,) = [s for s in written.studies if s.name == "missing"]
    assert len(study.lines) == 2
    text = (tmp_path / "tables" / "missing.md").read_text()
    assert "42.00" in text, "the mean over the seeds with the visual modality absent"
    assert "leaves the modality's head out" in text and "zeros for its features" in text


def test_three_modalities_have_outputs_of_their_own(tmp_path: Path) -> None:
    modalities = ("visual", "audio", "text")
    outputs = {"mm": 70.0, **dict.fromkeys(modalities, 55.0)}
    left = {"without_visual": 68.0, "without_audio": 66.0, "without_text": 60.0}
    report(tmp_path, cell_of(CELLS, "M-SAM", "urfunny"), {**outputs, **left})
    found = lines(tmp_path).query("share == 100").set_index("absent")["accuracy"]
    assert found.to_dict() == pytest.approx({"visual": 68.0, "audio": 66.0, "text": 60.0})


def test_older_runs_and_single_modalities_have_no_line(tmp_path: Path) -> None:
    outputs = {"mm": 70.0, **dict.fromkeys(("visual", "audio", "text"), 55.0)}
    written = report(tmp_path, cell_of(CELLS, "M-SAM", "urfunny"), outputs)
    assert lines(tmp_path).empty and not written.studies
    report(tmp_path, cell_of(CELLS, "Single-audio", "avmnist"), {"mm": 40.0, "audio": 40.0})
    assert lines(tmp_path).empty


def test_a_share_is_the_mean_over_which_samples_lack_the_modality() -> None:
    """All choices of 3 of 5 samples, against the mixture."""
    full, absent = np.array([1, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 1])
    drawn = [mask for mask in np.ndindex(*[2] * 5) if sum(mask) == 3]
    expected = np.mean([np.where(mask, absent, full).mean() for mask in drawn])
    assert mixture(full.mean(), absent.mean(), 3 / 5) == pytest.approx(expected)


def test_names_of_the_outputs_without_a_modality() -> None:
    assert without(("audio",)) == {}
    assert without(("audio", "visual")) == {"audio": "visual", "visual": "audio"}
    assert without(("a", "b", "c")) == {m: f"without_{m}" for m in ("a", "b", "c")}
