"""Ensembles of the runs on one modality, from their stored logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import candidate_epochs
from benchmarks.report.tables.ensembles import ensemble
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    READY,
    cell_of,
    epoch,
    plan,
    record,
    request_of,
    save_arrays,
)
from tests.golden_format import assert_golden, golden

CELLS = plan(avmnist=READY)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1], np.int16)


@golden("ensemble_fusion")
def test_golden_averages_and_classes(case: dict[str, Any]) -> None:
    logits = [np.array(each) for each in case["inputs"]["logits"]]
    for average in ("logits", "probabilities"):
        scores, expected = ensemble(logits, average), case["outputs"][f"mean_{average}"]
        assert_golden(scores, expected)
        classes = case["outputs"]["predictions"].get(f"mean_{average}")
        assert classes is None or scores.argmax(1).tolist() == classes


def test_a_constant_of_each_row_changes_no_class() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 50, 4)) * 3
    shifted = [one - one.max(1, keepdims=True), other - other.max(1, keepdims=True)]
    for average in ("logits", "probabilities"):
        same = ensemble([one, other], average).argmax(1) == ensemble(shifted, average).argmax(1)
        assert same.all()


def single(folder: Path, modality: str, logits: np.ndarray, seed: int = 0) -> RunRecord:
    """A stored run on one modality whose second epoch, the best on val, has these logits."""
    classes = logits.argmax(1).astype(np.int16)
    good, bad = (classes == LABELS).mean(), (LABELS == 0).mean()
    history = [
        epoch(number, val, {"acc_mm": acc, f"acc_{modality}": acc})
        for number, val, acc in ((1, 0.1, bad), (2, 0.9, good), (3, 0.2, bad))
    ]
    made = record(cell_of(CELLS, f"Single-{modality}"), seed, history=history)
    made = replace(made, data={**made.data, "sizes": {"test": len(LABELS)}})
    arrays = {"labels": LABELS, "epoch2_mm_logits": logits.astype(np.float16)}
    for number in candidate_epochs(history):
        for output in ("mm", modality):
            arrays[f"epoch{number}_{output}"] = classes if number == 2 else np.zeros_like(LABELS)
    save_arrays(folder / "predictions", made, arrays)
    return made


def report(folder: Path, runs: list[RunRecord], selection: str = "val-best") -> Report:
    stored = Predictions(folder / "predictions")
    asked = request_of({"table1": CELLS}, runs, selection=selection, predictions=stored)
    return write_report(asked, folder / "tables")


def logits(seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(len(LABELS), 3)) * 2
    drawn[np.arange(len(LABELS)), LABELS] += 1
    drawn[0, 0] += 20  # so that epoch 2 is better than always saying class 0
    return drawn.astype(np.float16)


def test_models_of_one_seed_are_averaged_at_their_own_epochs(tmp_path: Path) -> None:
    runs, expected = [], {"logits": [], "probabilities": []}
    for seed in (0, 1):
        audio, visual = logits(10 + seed), logits(20 + seed)
        runs += [
            single(tmp_path, "visual", visual, seed),
            single(tmp_path, "audio", audio, seed),
        ]
        for average, values in expected.items():
            classes = ensemble([audio, visual], average).argmax(1)
            values.append(100 * (classes == LABELS).mean())
    written = report(tmp_path, runs)
    lines = pd.read_csv(tmp_path / "tables" / "ensembles.csv")
    assert (lines["models"] == "Single-audio + Single-visual").all()
    assert (lines["epochs"] == "2 2").all() and lines["reason"].isna().all()
    assert lines["run_ids"].str.match(r"avmnist-late-joint_train-audio\S+ \S+-visual-\S+").all()
    for average, values in expected.items():
        assert lines[lines["average"] == average]["accuracy"].tolist() == pytest.approx(values)
    study = next(each for each in written.studies if each.name == "ensembles")
    assert len(study.lines) == 2
    assert (
        f"{np.mean(expected['logits']):.2f}" in (tmp_path / "tables" / "ensembles.md").read_text()
    )


@pytest.mark.parametrize("lack", ["a run", "logits", "another test set", "another seed"])
def test_an_ensemble_that_cannot_be_made_says_why(tmp_path: Path, lack: str) -> None:
    runs = [single(tmp_path, "audio", logits(0)), single(tmp_path, "visual", logits(1))]
    wanted = "no usable run on visual alone"
    if lack == "a run":
        runs.pop()
    elif lack == "another seed":
        runs[1] = single(tmp_path, "visual", logits(1), seed=1)
    elif lack == "logits":
        (tmp_path / "logits" / f"{runs[1].run_id}.npz").unlink()
        wanted = f"no logits of {runs[1].run_id}"
    else:
        arrays: dict[str, np.ndarray] = {}
        for kind in ("predictions", "logits"):
            arrays |= np.load(tmp_path / kind / f"{runs[1].run_id}.npz")
        arrays = {name: np.roll(array, 1, 0) for name, array in arrays.items()}
        save_arrays(tmp_path / "predictions", runs[1], arrays)
    report(tmp_path, runs)
    lines = pd.read_csv(tmp_path / "tables" / "ensembles.csv")
    assert lines["accuracy"].isna().all()
    if lack == "another test set":  # neither record can be trusted
        assert len(lines) == 0
    else:
        assert wanted in set(lines["reason"])


def test_an_epoch_without_logits_is_named(tmp_path: Path) -> None:
    runs = [single(tmp_path, m, logits(i)) for i, m in enumerate(("audio", "visual"))]
    report(tmp_path, runs, "last")  # the last epoch's logits are not in the files
    lines = pd.read_csv(tmp_path / "tables" / "ensembles.csv")
    assert lines["reason"].str.startswith("no epoch3_mm_logits").all()
