"""Predictions that are not those a run wrote enter no test; nor do rows on different data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.records.predictions import NoLogits, Predictions
from benchmarks.records.record import RunRecord
from benchmarks.report.tables.contrast import contrast
from tests.benchmarks.report.builders import READY, Fitting, cell_of, entry_of, plan, runs, table

CELLS = plan(avmnist=READY)
MSAM, SAM = cell_of(CELLS, "M-SAM"), cell_of(CELLS, "SAM")
MM = "epoch1_mm_logits"


def written(folder: Path, **logits: np.ndarray) -> RunRecord:
    """A run with 70 % right; its predictions are in `folder`, with these logits."""
    (run,) = runs(MSAM, 70.0)
    np.savez(folder / f"{run.run_id}.npz", **Fitting().arrays(run), **logits)
    return run


def fitting(lower: float = -1.0) -> np.ndarray:
    """Logits of three classes that give the classes of `written`; the others have `lower`."""
    logits = np.full((10_000, 3), lower, np.float16)
    logits[np.arange(10_000), (np.arange(10_000) >= 7000).astype(int)] = 0
    return logits


def test_another_file_than_the_run_wrote_is_refused(tmp_path) -> None:
    run = written(tmp_path)
    assert len(Predictions(tmp_path).labels(run)) == 10_000
    with pytest.raises(ValueError, match="do not match the checksum"):
        Predictions(tmp_path).labels(replace(run, predictions_sha256="0" * 64))


def test_rows_on_different_data_are_not_compared() -> None:
    made = table(CELLS, [*runs(MSAM, 70.0, 71.0, 72.0), *runs(SAM, 70.0, 71.0, 72.0)])
    first, second = entry_of(made, "M-SAM"), entry_of(made, "SAM")
    other = [replace(r, data={**r.data, "fingerprint": "other"}) for r in second.runs]
    found = contrast(first, replace(second, runs=tuple(other)), Predictions(None), "val-best")
    assert found.reason == "the rows saw different data"


def test_logits_come_back_and_give_the_confidence(tmp_path) -> None:
    run = written(tmp_path, **{MM: fitting()})
    stored = Predictions(tmp_path)
    assert np.array_equal(stored.logits(run, 1, "mm"), fitting())
    found = stored.confidence(run, 1, "mm")
    assert found.confidence == pytest.approx(np.full(10_000, 1 / (1 + 2 * np.exp(-1))))
    assert found.right[:7000].all() and not found.right[7000:].any()


def test_logits_count_up_to_a_constant_of_each_row(tmp_path) -> None:
    rows = np.linspace(-8, 8, 10_000)[:, None].round()
    run = written(tmp_path, **{MM: (fitting() + rows).astype(np.float16)})
    found = Predictions(tmp_path).confidence(run, 1, "mm")
    assert found.confidence == pytest.approx(np.full(10_000, 1 / (1 + 2 * np.exp(-1))))


def test_old_predictions_without_logits_stay_valid(tmp_path) -> None:
    run = written(tmp_path)
    stored = Predictions(tmp_path)
    assert stored.correct(run, 1, "mm").mean() == pytest.approx(0.7)
    for epoch, output in ((1, "mm"), (7, "mm"), (1, "touch")):
        with pytest.raises(NoLogits, match=f"no epoch{epoch}_{output}"):
            stored.logits(run, epoch, output)


def test_accuracies_do_not_read_logits(tmp_path, monkeypatch) -> None:
    run = written(tmp_path, **{MM: fitting() * np.nan})
    assert Predictions(tmp_path).correct(run, 1, "mm").mean() == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("logits", "word"),
    [
        (fitting()[:-1], "shape"),
        (fitting()[:, 0], "shape"),
        (fitting()[:, :0], "classes"),
        (fitting()[:, :1], "classes"),
        (fitting(-np.inf), "finite"),
        (fitting() * np.nan, "finite"),
        (fitting()[:, ::-1], "another class than the stored one in 7,000 rows"),
        (fitting().astype(np.float32), "float32"),
        (fitting().astype(np.int16), "int16"),
        (fitting().astype(object), "damaged"),
    ],
)
def test_logits_that_contradict_the_record_are_refused(tmp_path, logits, word) -> None:
    run = written(tmp_path, **{MM: logits})
    for read in (Predictions(tmp_path).logits, Predictions(tmp_path).confidence):
        with pytest.raises(ValueError, match=word) as caught:
            read(run, 1, "mm")
        assert run.run_id in str(caught.value)


@pytest.mark.parametrize(("steps", "allowed"), [(0, True), (1, True), (3, False)])
def test_a_tie_of_float16_is_no_contradiction(tmp_path, steps, allowed) -> None:
    """A neighbour of the stored class is above it, by so many steps of float16."""
    logits = fitting() + np.float16(5)
    logits[0, 1] = logits[0, 0] + steps * np.spacing(logits[0, 0])
    run = written(tmp_path, **{MM: logits})
    if allowed:
        assert Predictions(tmp_path).logits(run, 1, "mm").shape == (10_000, 3)
    else:
        with pytest.raises(ValueError, match="in 1 rows"):
            Predictions(tmp_path).logits(run, 1, "mm")
