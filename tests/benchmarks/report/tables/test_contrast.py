"""Rows of a column against each other on stored predictions, made to order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.records.evidence import DONE
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.report.tables import markdown
from benchmarks.report.tables.contrast import contrasts
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.table import Table
from benchmarks.report.write import make_tables
from tests.benchmarks.report.builders import READY, cell_of, epoch, plan, record, request_of

PLANS = {suite: plan(suite, avmnist=READY, ave=READY) for suite in ("table1", "controls", "noise")}
LABELS = np.random.default_rng(0).integers(0, 10, 1000).astype(np.int16)


def stored(
    folder: Path,
    row: str,
    seed: int,
    part: float,
    dataset: str = "avmnist",
    segments: int = 1,
    suite: str = "table1",
) -> RunRecord:
    """A run whose fused predictions are right for this part of the samples, at random."""
    generator = np.random.default_rng([seed, len(row)])
    wrong = np.repeat(generator.random(1000 // segments) >= part, segments)
    predicted = np.where(wrong, (LABELS + 1) % 10, LABELS).astype(np.int16)
    history = [epoch(1, 0.5, {"acc_mm": float((~wrong).mean())})]
    run = record(cell_of(PLANS[suite], row, dataset), seed, history=history)
    data = {**run.data, "sizes": {"test": 1000 // segments}, "segments": segments}
    np.savez(folder / f"{run.run_id}.npz", labels=LABELS, epoch1_mm=predicted)
    return replace(run, data=data)


def three_seeds(folder: Path, rows: Mapping[str, float], **words: object) -> list[RunRecord]:
    return [stored(folder, row, seed, p, **words) for row, p in rows.items() for seed in range(3)]


def judged(folder: Path | None, records: list[RunRecord], suite: str = "table1") -> Table:
    stored = Predictions(folder)
    _, (made,) = make_tables(request_of({suite: PLANS[suite]}, records, predictions=stored))
    return made


def test_msam_is_tested_against_every_other_row(tmp_path: Path) -> None:
    filled = judged(tmp_path, three_seeds(tmp_path, {"M-SAM": 0.7, "SAM": 0.5, "AGM": 0.7}))
    tests = filled.against_subject.items()
    found = {row: c for (row, column), c in tests if column == "avmnist:acc_mm"}
    assert set(found) == {"SAM", "AGM"}
    worse, equal = found["SAM"], found["AGM"]
    assert {c.first.row for c in found.values()} == {"M-SAM"}
    assert worse.difference == pytest.approx(20, abs=4)
    assert worse.low < worse.difference < worse.high
    assert worse.significant and worse.adjusted == pytest.approx(2 * worse.p)
    assert not equal.significant


def test_the_arrow_says_who_is_behind(tmp_path: Path) -> None:
    records = three_seeds(tmp_path, {"M-SAM": 0.6, "SAM": 0.4, "AGM": 0.8})
    lines = markdown.render(judged(tmp_path, records), markdown.TERMINAL).splitlines()
    found = {row: [x for x in lines if x.startswith(f"{row} ")] for row in ("SAM", "AGM")}
    marks = {row: " ".join(parts) for row, parts in found.items()}  # a wide table has several
    assert "↓" in marks["SAM"] and "↑" not in marks["SAM"]
    assert "↑" in marks["AGM"] and "↓" not in marks["AGM"]
    said = " ".join(" ".join(lines).split())
    alone = judged(tmp_path, [r for r in records if r.experiment.method != "agm"])
    below = " ".join(markdown.render(alone, markdown.TERMINAL).split())
    assert "↓ significantly below M-SAM in its column" in below and "↑" not in below
    assert "↓ significantly below, ↑ significantly above M-SAM in its column" in said


def test_without_a_named_reference_nothing_is_tested(tmp_path: Path) -> None:
    """The best row would be chosen on the same data."""
    assert not judged(tmp_path, three_seeds(tmp_path, {"CGGM": 0.5, "AGM": 0.7})).contrasts


def test_sam_and_joint_train_are_references_of_their_own(tmp_path: Path) -> None:
    """Each with Holm over its own tests; a pair of two references has two tests with one p."""
    rows = {"Joint-Train": 0.5, "AGM": 0.7, "SAM": 0.52, "M-SAM": 0.71}
    filled = judged(tmp_path, three_seeds(tmp_path, rows))
    tests = {(c.first.row, c.second.row): c for c in filled.contrasts}
    references = ("M-SAM", "SAM", "Joint-Train")
    assert set(tests) == {(a, b) for a in references for b in rows if a != b}
    for name in references:
        family = [c for (first, _), c in tests.items() if first == name]
        least = min(family, key=lambda c: c.p)
        assert least.adjusted == pytest.approx(min(1, 3 * least.p))
    there, back = tests["M-SAM", "SAM"], tests["SAM", "M-SAM"]
    assert there.difference == pytest.approx(-back.difference) and there.p == back.p


def test_rows_are_equivalent_where_their_difference_is_surely_small(tmp_path: Path) -> None:
    """Rows with the same predictions, and rows 20 points apart."""
    rows = {"M-SAM": 0.7, "SAM": 0.5, "Joint-Train": 0.7}
    records = three_seeds(tmp_path, rows)
    for ours, theirs in zip(records[:3], records[6:], strict=True):
        (tmp_path / f"{theirs.run_id}.npz").write_bytes(
            (tmp_path / f"{ours.run_id}.npz").read_bytes()
        )
    same = [replace(r, history=records[n].history) for n, r in enumerate(records[6:])]
    filled = judged(tmp_path, [*records[:6], *same])
    found = {c.second.row: c for c in filled.contrasts if c.of_subject}
    equal, apart = found["Joint-Train"], found["SAM"]
    assert equal.equivalent and (equal.within, equal.equivalence_p) == (0, 0)
    assert not apart.equivalent and apart.within > 20


def test_a_better_variant_of_msam_is_not_the_reference(tmp_path: Path) -> None:
    rows = {"SAM": 0.5, "M-SAM": 0.6, "M-SAM (response)": 0.8, "M-SAM (dominant)": 0.7}
    filled = judged(tmp_path, three_seeds(tmp_path, rows, suite="controls"), "controls")
    assert {row for row, _ in filled.against_subject} == set(rows) - {"M-SAM"}
    assert {c.first.row for c in filled.contrasts} == {"M-SAM", "SAM"}


def test_the_reference_is_trained_on_all_modalities() -> None:
    cell = cell_of(PLANS["table1"], "M-SAM")
    single = replace(cell, row=replace(cell.row, label="Single-audio", modalities=("audio",)))
    made = [Entry(c, "acc_mm", np.nan, DONE, values=(70.0,)) for c in (single, cell)]
    (found,) = contrasts(made, Predictions(None), "val-best")
    assert found.first.row == "M-SAM"


def test_rows_are_tested_against_msam_with_as_many_wrong_labels(tmp_path: Path) -> None:
    clean = {"SAM": 0.5, "M-SAM": 0.7, "MASAM": 0.6}
    noisy = {"SAM, 40 % wrong": 0.45, "M-SAM, 40 % wrong": 0.4}
    filled = judged(tmp_path, three_seeds(tmp_path, clean | noisy, suite="noise"), "noise")
    found = filled.against_subject.values()
    assert {(c.first.row, c.second.row) for c in found} == {
        ("M-SAM", "SAM"),
        ("M-SAM", "MASAM"),
        ("M-SAM, 40 % wrong", "SAM, 40 % wrong"),
    }
    assert not any(c.reason for c in found)
    least = min(found, key=lambda c: c.p)
    assert least.adjusted == pytest.approx(3 * least.p), "Holm over all tests of the column"
    said = " ".join(markdown.render(filled, markdown.TERMINAL).split())
    assert "M-SAM or M-SAM, 40 % wrong in its column among rows with as many wrong labels" in said


def test_segments_of_a_clip_count_as_one_sample(tmp_path: Path) -> None:
    rows = {"M-SAM": 0.60, "SAM": 0.52}
    clips = three_seeds(tmp_path, rows, dataset="ave", segments=10)
    (by_clip,) = judged(tmp_path, clips).against_subject.values()
    flat = [replace(r, data={**r.data, "segments": 1, "sizes": {"test": 1000}}) for r in clips]
    (by_segment,) = judged(tmp_path, flat).against_subject.values()
    assert by_clip.difference == pytest.approx(by_segment.difference)
    matrix = Predictions(tmp_path).correct(clips[0], 1, "mm")
    assert matrix.shape == (100,) and set(matrix) == {0.0, 1.0}
    entry = judged(tmp_path, clips).at("SAM", "ave:acc_mm")
    assert entry.test_samples == 100


def damage_nothing(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 no archive")


def other_labels(path: Path) -> None:
    np.savez(path, labels=LABELS[::-1], epoch1_mm=np.zeros(1000, np.int16))


def other_epoch(path: Path) -> None:
    np.savez(path, labels=LABELS, epoch2_mm=LABELS)


def other_accuracy(path: Path) -> None:
    np.savez(path, labels=LABELS, epoch1_mm=LABELS)


def shorter(path: Path) -> None:
    np.savez(path, labels=LABELS, epoch1_mm=LABELS[:10])


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (Path.unlink, "no predictions (seed 0)"),
        (damage_nothing, "are damaged"),
        (other_labels, "says"),
        (other_epoch, "are of epochs [2]"),
        (other_accuracy, "its predictions have 100.00 %"),
        (shorter, "does not fit its labels"),
    ],
)
def test_unusable_predictions_are_named_and_nothing_is_tested(tmp_path, harm, reason) -> None:
    records = three_seeds(tmp_path, {"M-SAM": 0.7, "SAM": 0.5})
    harm(tmp_path / f"{records[3].run_id}.npz")
    filled = judged(tmp_path, records)
    (found,) = filled.against_subject.values()
    assert reason in found.reason
    assert np.isnan(found.p) and not filled.tested
    assert "Not tested (SAM: " in markdown.render(filled, markdown.MARKDOWN)


def as_stand_in(record: RunRecord) -> RunRecord:
    return replace(record, data={**record.data, "stand_in": True})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda records: records[1:], "common seeds: 2; a test needs 3"),
        (lambda records: list(map(as_stand_in, records)), "stand-in data"),
    ],
)
def test_runs_that_do_not_allow_a_test_are_never_tested(tmp_path, change, reason) -> None:
    records = three_seeds(tmp_path, {"M-SAM": 0.7, "SAM": 0.5})
    (found,) = judged(tmp_path, change(records)).against_subject.values()
    assert found.reason == reason and not found.significant


def test_without_predictions_nothing_is_tested(tmp_path: Path) -> None:
    filled = judged(None, three_seeds(tmp_path, {"M-SAM": 0.7, "SAM": 0.5}))
    (found,) = filled.against_subject.values()
    assert "no predictions" in found.reason
