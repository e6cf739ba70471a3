"""Results that cannot be trusted get a verdict that says so, and enter no test.

Every attack starts from five M-SAM runs that reproduce the paper's number, and five of SAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan.suites import DataState
from benchmarks.records.folders import Folders
from benchmarks.records.predictions import Predictions, save_logits, save_predictions
from benchmarks.records.record import RunRecord, load_records, sealed
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    CONFIG,
    Fitting,
    cell_of,
    entry_of,
    epoch,
    plan,
    record,
    request_of,
    with_seeds,
)

SEEDS = 5
CELLS = plan(avmnist=DataState("print-a"))
COLUMN = "avmnist:acc_mm"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Five runs of two epochs of each row, on disk as training leaves them."""
    folders = Folders(tmp_path / "results")
    for row, percent in (("M-SAM", 74.0), ("SAM", 60.0)):
        for seed in range(SEEDS):
            made = run(row, seed, percent + seed / 25)
            write(folders, made, epoch2_mm_logits=fitting_logits(made))
    return folders


def run(row: str, seed: int, percent: float) -> RunRecord:
    test = {"acc_mm": percent / 100, "acc_audio": 0.4, "acc_visual": 0.5}
    history = [epoch(1, 0.4, {**test, "acc_mm": 0.5}), epoch(2, 0.5, test)]
    return replace(record(cell_of(CELLS, row), seed, history=history))


def fitting_logits(record: RunRecord) -> np.ndarray:
    """Logits of two classes that give the fused predictions of the last epoch."""
    classes = Fitting().arrays(record)["epoch2_mm"]
    return np.stack([-classes, classes - 1], 1).astype(np.float16)


def write(folders: Folders, record: RunRecord, **arrays: np.ndarray) -> None:
    """Writes record and predictions; `arrays` replace those that fit the record."""
    found = {**Fitting().arrays(record), **arrays}
    labels = found.pop("labels")
    epochs: dict[int, dict[str, np.ndarray]] = {}
    for name, classes in found.items():
        number, output = name.removeprefix("epoch").split("_", 1)
        epochs.setdefault(int(number), {})[output] = classes
    digests = {
        "predictions_sha256": save_predictions(folders.predictions(record.run_id), labels, epochs),
        "logits_sha256": save_logits(folders.logits(record.run_id), epochs),
    }
    replace(record, **digests).save(folders.record(record.run_id))


def records(folders: Folders, row: str = "M-SAM") -> list[RunRecord]:
    found, _ = load_records(folders.root / "runs")
    return [r for r in found if r.experiment.cell_id == cell_of(CELLS, row).template.cell_id]


def report(folders: Folders) -> Report:
    found, refused = load_records(folders.root / "runs")
    stored = Predictions(folders.root / "predictions")
    cells = [c for c in CELLS if c.dataset == "avmnist" and c.row.label in ("M-SAM", "SAM")]
    asked = request_of({"table1": cells}, found, predictions=stored, unreadable=refused)
    return write_report(replace(asked, config=with_seeds(CONFIG, SEEDS)), folders.tables)


def edit(folders: Folders, seed: int = 0, seal: bool = True, **changes: object) -> None:
    """Changes fields of a record's file, with a fitting checksum or none."""
    path = folders.record(records(folders)[seed].run_id)
    values = json.loads(path.read_text()) | changes
    del values["sha256"]
    path.write_bytes(sealed(values) if seal else json.dumps(values).encode())


def with_accuracy(folders: Folders, seed: int = 0, part: str = "test", number: int = 2) -> list:
    """The history of a run with another fused accuracy."""
    path = folders.record(records(folders)[seed].run_id)
    history = json.loads(path.read_text())["history"]
    history[number - 1][part]["acc_mm"] = 0.7408
    return history


def accuracy(folders: Folders) -> None:
    for seed in range(3):
        edit(folders, seed, history=with_accuracy(folders, seed))


def accuracy_without_checksum(folders: Folders) -> None:
    edit(folders, seal=False, history=with_accuracy(folders))


def other_epoch(folders: Folders) -> None:
    """Another validation accuracy, so that another epoch is reported."""
    edit(folders, history=with_accuracy(folders, part="val", number=1))


def no_predictions(folders: Folders) -> None:
    folders.predictions(records(folders)[0].run_id).unlink()


def swapped(folders: Folders) -> None:
    one, other = (folders.predictions(records(folders)[seed].run_id) for seed in (0, 4))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    for seed in (0, 4):
        edit(folders, seed, predictions_sha256="")


def permuted_labels(folders: Folders) -> None:
    """Labels and predictions together, so that the accuracy stays."""
    first = records(folders)[0]
    arrays = Fitting().arrays(first)
    write(folders, first, **{name: 1 - classes for name, classes in arrays.items()})


def fewer_predictions(folders: Folders) -> None:
    first = records(folders)[0]
    history = [{**e, "test": {k: 0.5 for k in e["test"]}} for e in first.history]
    half = replace(first, history=tuple(history), data={**first.data, "sizes": {"test": 9000}})
    write(folders, replace(half, data=first.data), **Fitting().arrays(half))


def with_logits(folders: Folders, change: Callable[[np.ndarray], np.ndarray]) -> None:
    first = records(folders)[0]
    write(folders, first, epoch2_mm_logits=change(fitting_logits(first)))


def swapped_logits(folders: Folders) -> None:
    """One row gives another class; its accuracy cannot be seen from the record."""
    with_logits(folders, lambda z: np.concatenate([z[:1, ::-1], z[1:]]))


def infinite_logits(folders: Folders) -> None:
    with_logits(folders, lambda z: np.where(z < 0, -np.inf, z).astype(np.float16))


def fewer_logits(folders: Folders) -> None:
    with_logits(folders, lambda z: z[:-1])


def logits_of_one_class(folders: Folders) -> None:
    with_logits(folders, lambda z: z[:, :1])


def logits_of_another_kind(folders: Folders) -> None:
    with_logits(folders, lambda z: z.astype(np.float64))


def one_epoch(folders: Folders) -> None:
    edit(folders, ended_early=False)


def three_versions(folders: Folders) -> None:
    for seed in range(3):
        edit(folders, seed, code={"method": f"m{seed}", "shared": "s", "data": "d"})


def unknown_version(folders: Folders) -> None:
    edit(folders, code={})


def one_run_three_times(folders: Folders) -> None:
    first, *others = records(folders)
    for each in others[:2]:
        copied = replace(first, run_id=each.run_id, experiment=each.experiment)
        copied.save(folders.record(each.run_id))
        for place in (folders.predictions, folders.logits):
            place(each.run_id).write_bytes(place(first.run_id).read_bytes())


def same_losses(folders: Folders) -> None:
    """Copies whose predictions were made to differ."""
    first, second, *_ = records(folders)
    write(folders, replace(second, history=first.history))


def broken_record(folders: Folders) -> None:
    folders.record(records(folders)[4].run_id).write_text("{")


def deleted_seeds(folders: Folders) -> None:
    for each in records(folders)[3:]:
        folders.record(each.run_id).unlink()


ATTACKS: list[tuple[Callable[[Folders], None], str]] = [
    (accuracy, "records contradict predictions"),
    (accuracy_without_checksum, "unreadable records"),
    (other_epoch, "records contradict predictions"),
    (no_predictions, "predictions missing"),
    (swapped, "records contradict predictions"),
    (permuted_labels, "records contradict predictions"),
    (fewer_predictions, "records contradict predictions"),
    (swapped_logits, "records contradict predictions"),
    (infinite_logits, "records contradict predictions"),
    (fewer_logits, "records contradict predictions"),
    (logits_of_one_class, "records contradict predictions"),
    (logits_of_another_kind, "records contradict predictions"),
    (one_epoch, "incomplete runs"),
    (three_versions, "mixed code"),
    (unknown_version, "mixed code"),
    (one_run_three_times, "identical seeds"),
    (same_losses, "identical seeds"),
    (broken_record, "unreadable records"),
    (deleted_seeds, "too few runs"),
]


def test_without_an_attack_the_number_reproduces_and_rows_differ(folders: Folders) -> None:
    written = report(folders)
    (made,) = written.tables
    assert entry_of(made, "M-SAM", COLUMN).verdict == "reproduced"
    assert made.against_subject["SAM", COLUMN].significant
    assert made.rank("M-SAM", COLUMN) == 1 and made.rank("SAM", COLUMN) == 2


@pytest.mark.parametrize(("attack", "verdict"), ATTACKS, ids=lambda x: getattr(x, "__name__", ""))
def test_an_attack_has_a_verdict_that_names_it(
    folders: Folders, attack: Callable[[Folders], None], verdict: str
) -> None:
    attack(folders)
    written = report(folders)
    (made,) = written.tables
    entry = entry_of(made, "M-SAM", COLUMN)
    assert entry.verdict == verdict and entry.reason
    assert written.exit_status != 0
    assert verdict in written.comparison() and verdict in written.pages["table1"]
    if verdict != "too few runs":
        assert not any(c.significant for c in made.contrasts)
        assert all(c.reason for c in made.contrasts)
        assert made.rank("M-SAM", COLUMN) is None
