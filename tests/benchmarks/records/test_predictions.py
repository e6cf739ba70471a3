"""Predictions that are not those a run wrote enter no test; nor do rows on different data."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.records.predictions import NoLogits, Predictions, is_logits
from benchmarks.records.record import RunRecord
from benchmarks.report.tables.contrast import contrast
from tests.benchmarks.report.builders import READY, Fitting, cell_of, entry_of, plan, runs, table

CELLS = plan(avmnist=READY)
MSAM, SAM = cell_of(CELLS, "M-SAM"), cell_of(CELLS, "SAM")
MM = "epoch1_mm_logits"


def written(root: Path, **more: np.ndarray) -> RunRecord:
    """A run with 70 % right, whose files lie in a results folder; `more` arrays go into them."""
    (run,) = runs(MSAM, 70.0)
    logits = {name: array for name, array in more.items() if is_logits(name)}
    classes = {name: array for name, array in more.items() if not is_logits(name)}
    files = {"predictions": {**Fitting().arrays(run), **classes}, "logits": logits}
    for kind, arrays in files.items():
        (root / kind).mkdir()
        if arrays:
            np.savez(root / kind / f"{run.run_id}.npz", **arrays)
    return run


def reader(root: Path) -> Predictions:
    return Predictions(root / "predictions")


def fitting(lower: float = -1.0) -> np.ndarray:
    """Logits of three classes that give the classes of `written`; the others have `lower`."""
    logits = np.full((10_000, 3), lower, np.float16)
    logits[np.arange(10_000), (np.arange(10_000) >= 7000).astype(int)] = 0
    return logits


def test_another_file_than_the_run_wrote_is_refused(tmp_path) -> None:
    run = written(tmp_path)
    assert len(reader(tmp_path).labels(run)) == 10_000
    with pytest.raises(ValueError, match="do not match the checksum"):
        reader(tmp_path).labels(replace(run, predictions_sha256="0" * 64))


def test_rows_on_different_data_are_not_compared() -> None:
    made = table(CELLS, [*runs(MSAM, 70.0, 71.0, 72.0), *runs(SAM, 70.0, 71.0, 72.0)])
    first, second = entry_of(made, "M-SAM"), entry_of(made, "SAM")
    other = [replace(r, data={**r.data, "fingerprint": "other"}) for r in second.runs]
    found = contrast(first, replace(second, runs=tuple(other)), Predictions(None), "val-best")
    assert found.reason == "the rows saw different data"


def test_logits_come_back_and_give_the_confidence(tmp_path) -> None:
    run = written(tmp_path, **{MM: fitting()})
    stored = reader(tmp_path)
    assert np.array_equal(stored.logits(run, 1, "mm"), fitting())
    found = stored.confidence(run, 1, "mm")
    assert found.confidence == pytest.approx(np.full(10_000, 1 / (1 + 2 * np.exp(-1))))
    assert found.right[:7000].all() and not found.right[7000:].any()


def test_logits_count_up_to_a_constant_of_each_row(tmp_path) -> None:
    rows = np.linspace(-8, 8, 10_000)[:, None].round()
    run = written(tmp_path, **{MM: (fitting() + rows).astype(np.float16)})
    found = reader(tmp_path).confidence(run, 1, "mm")
    assert found.confidence == pytest.approx(np.full(10_000, 1 / (1 + 2 * np.exp(-1))))


def test_old_predictions_without_logits_stay_valid(tmp_path) -> None:
    run = written(tmp_path)
    stored = reader(tmp_path)
    assert stored.correct(run, 1, "mm").mean() == pytest.approx(0.7)
    for epoch, output in ((1, "mm"), (7, "mm"), (1, "touch")):
        with pytest.raises(NoLogits, match=run.run_id):
            stored.logits(run, epoch, output)


def test_logits_of_another_output_are_none_of_this_one(tmp_path) -> None:
    run = written(tmp_path, epoch1_audio_logits=fitting())
    with pytest.raises(NoLogits, match="no epoch1_mm_logits"):
        reader(tmp_path).logits(run, 1, "mm")


def test_another_file_of_logits_than_the_run_wrote_is_refused(tmp_path) -> None:
    run = replace(written(tmp_path, **{MM: fitting()}), logits_sha256="0" * 64)
    with pytest.raises(ValueError, match=r"logits .* do not match the checksum"):
        reader(tmp_path).logits(run, 1, "mm")
    assert reader(tmp_path).correct(run, 1, "mm").mean() == pytest.approx(0.7)


def test_an_output_without_a_modality_has_no_accuracy_in_the_record(tmp_path) -> None:
    wrong = np.ones(10_000, np.int16)
    wrong[:4000] = 0
    run = written(tmp_path, epoch1_without_text=wrong)
    assert reader(tmp_path).correct(run, 1, "without_text").mean() == pytest.approx(0.4)
    assert "without_text" not in str(run.history)


def test_an_output_without_a_modality_must_fit_the_labels(tmp_path) -> None:
    run = written(tmp_path, epoch1_without_text=np.zeros(9000, np.int16))
    with pytest.raises(ValueError, match="does not fit its labels"):
        reader(tmp_path).correct(run, 1, "mm")


def test_accuracies_do_not_read_logits(tmp_path) -> None:
    run = written(tmp_path, **{MM: fitting().astype(np.float32)})  # reading them would fail
    assert reader(tmp_path).correct(run, 1, "mm").mean() == pytest.approx(0.7)


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
    for read in (reader(tmp_path).logits, reader(tmp_path).confidence):
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
        assert reader(tmp_path).logits(run, 1, "mm").shape == (10_000, 3)
    else:
        with pytest.raises(ValueError, match="in 1 rows"):
            reader(tmp_path).logits(run, 1, "mm")


@pytest.mark.parametrize(
    ("name", "compression"),
    [("epoch1_mm", zipfile.ZIP_STORED), ("epoch1_mm.npy", zipfile.ZIP_LZMA)],
)
def test_an_archive_that_numpy_does_not_write_is_damaged(tmp_path, name, compression) -> None:
    """A member without the suffix; one whose decompression fails with an error of its own."""
    run = written(tmp_path)
    path = tmp_path / "predictions" / f"{run.run_id}.npz"
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, b"abcdefgh" * 50)
    content = bytearray(path.read_bytes())
    start = 30 + len(name)  # of the member's data; LZMA has nine bytes of properties
    content[start + 9 : start + 20] = b"\xff" * 11
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{run.run_id} are damaged"):
        reader(tmp_path).stored(run)


@pytest.mark.parametrize("place", [2, 3])
def test_an_archive_with_a_damaged_member_is_refused_whatever_breaks(tmp_path, place) -> None:
    """Its directory names another member than the one that is there."""
    run = written(tmp_path)
    path = tmp_path / "predictions" / f"{run.run_id}.npz"
    parts = path.read_bytes().split(b".npy")
    path.write_bytes(b".npy".join(parts[:-place]) + b".nqy" + b".npy".join(parts[-place:]))
    with pytest.raises(ValueError, match="damaged"):
        reader(tmp_path).stored(run)
