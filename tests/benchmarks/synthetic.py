"""Synthetic records and predictions: as many and as large as real ones, without any training.

`write_results(Folders(root))` fills `root/runs` and `root/predictions` with the runs of the rows of
Table 1 under both fusions: 98 cells, so ten seeds give 980 runs of 100 epochs. Everything is
deterministic. Accuracies lie around the paper's, and the stored predictions have exactly the
accuracies that the records say: the hard test samples are the same for all runs, as in real ones.
The data is not marked as stand-in data, so that verdicts, tests and figures have something to say.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.configs.load import load_config
from benchmarks.plan.suites import Cell, DataState, plan_suite
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import candidate_epochs
from benchmarks.report.tables.paper import load_paper

CONFIG = load_config()
ENVIRONMENT = {
    "python": "3.11.7",
    "torch": "2.11.0",
    "device": "synthetic device",
    "commit": "c" * 40,
    "modified": False,
}


@dataclass(frozen=True)
class TestSet:
    """`samples` test samples of `segments` predictions each, in `classes` classes."""

    __test__ = False  # no test class of pytest's

    samples: int
    classes: int
    segments: int = 1


TEST_SETS = {
    "avmnist": TestSet(9000, 10),
    "cremad": TestSet(744, 6),
    "urfunny": TestSet(1058, 2),
    "ave": TestSet(402, 29, segments=10),
}


def cells(datasets: Sequence[str] = tuple(TEST_SETS), profile: str = "paper") -> list[Cell]:
    """The rows of Table 1 for these datasets, late and early, with prepared data."""
    states = {name: DataState(f"synthetic-{name}") for name in CONFIG.datasets}
    late = plan_suite(CONFIG, "table1", CONFIG.profiles[profile], states)
    early = [replace(c, template=replace(c.template, fusion="early")) for c in late]
    return [cell for cell in (*late, *early) if cell.dataset in datasets]


def write_results(
    folders: Folders,
    seeds: int = 10,
    epochs: int = 100,
    datasets: Sequence[str] = tuple(TEST_SETS),
) -> list[RunRecord]:
    """Writes the records and predictions of every cell and seed; returns the records."""
    records = []
    for cell in cells(datasets):
        for seed in range(seeds):
            record = make_record(cell, seed, epochs)
            _save(record, folders)
            records.append(record)
    return records


def make_record(cell: Cell, seed: int, epochs: int = 100) -> RunRecord:
    """The record of a run of `cell` with `epochs` epochs (the experiment says the profile's)."""
    experiment = replace(cell.template, seed=seed)
    test_set = TEST_SETS[cell.dataset]
    sizes = {"train": 6 * test_set.samples, "val": test_set.samples, "test": test_set.samples}
    segments = {"segments": test_set.segments} if test_set.segments > 1 else {}
    seconds = [1.0] * epochs
    return RunRecord(
        run_id=experiment.run_id,
        experiment=experiment,
        status="done",
        history=tuple(_history(cell, seed, epochs)),
        data={
            "stand_in": False,
            "fingerprint": experiment.data["fingerprint"],
            "sizes": sizes,
            **segments,
        },
        parameters=123456,
        method_params=dict(experiment.params),
        environment=ENVIRONMENT,
        timing={
            "finished": "2026-01-01T00:00:00Z",
            "seconds": sum(seconds),
            "epoch_seconds": seconds,
        },
        code={"method": "m", "shared": "s", "data": "d"},
        ended_early=epochs < experiment.epochs,
    )


def predictions(record: RunRecord) -> dict[str, np.ndarray]:
    """The arrays of the run's predictions file, see `save_predictions`."""
    test_set = TEST_SETS[record.experiment.dataset]
    count = test_set.samples * test_set.segments
    shared = _generator(record.experiment.dataset, "labels")
    labels = shared.integers(0, test_set.classes, count).astype(np.int16)
    hardness = np.repeat(shared.normal(size=test_set.samples), test_set.segments)
    own = _generator(record.run_id, "predictions")
    arrays = {"labels": labels}
    for number in sorted(candidate_epochs(record.history)):
        for metric, accuracy in _accuracies(record.history[number - 1]["test"]):
            order = np.argsort(hardness + own.normal(size=count))
            wrong = order[round(accuracy * count) :]
            predicted = labels.copy()
            shift = own.integers(1, test_set.classes, len(wrong))
            predicted[wrong] = (labels[wrong] + shift) % test_set.classes
            arrays[f"epoch{number}_{metric.removeprefix('acc_')}"] = predicted
    return arrays


def _save(record: RunRecord, folders: Folders) -> None:
    record.save(folders.record(record.run_id))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **predictions(record))
    path = folders.predictions(record.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def _history(cell: Cell, seed: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Accuracies that rise to about the paper's, with noise of a seed and of an epoch."""
    generator = _generator(cell.template.cell_id, seed)
    test_set = TEST_SETS[cell.dataset]
    count = test_set.samples * test_set.segments
    paper = load_paper("table1")
    names = cell.row.modalities or CONFIG.datasets[cell.dataset].modalities
    metrics = [f"acc_{m}" for m in names] + ["acc_mm"]
    goals = {m: paper.get((cell.row.label, f"{cell.dataset}:{m}"), 60.0) / 100 for m in metrics}
    offsets = {m: generator.normal(0, 0.005) for m in metrics}
    for number in range(1, epochs + 1):
        reached = 1 - np.exp(-4 * number / epochs)
        entry: dict[str, Any] = {"epoch": number, "lr": 0.001 if number <= 70 else 0.0001}
        for split, above in (("train", 0.1), ("val", 0.0), ("test", 0.0)):
            entry[split] = {}
            for metric in metrics:
                noisy = (goals[metric] + above) * reached + offsets[metric]
                noisy += generator.normal(0, 0.005)
                entry[split][metric] = round(min(max(noisy, 0.0), 1.0) * count) / count
                entry[split][metric.replace("acc", "loss")] = float(2.0 - 1.5 * reached)
        entry["train"] |= {f"contribution_{m}": 1 / len(names) for m in names}
        yield entry


def _accuracies(metrics: dict[str, float]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in metrics.items() if name.startswith("acc_")]


def _generator(*words: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(map(str, words)).encode()))
