"""The state of every experiment on disk, and what is left to run. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord
from benchmarks.sharpness_files import Rows, file_stem

ENDED = ("done", "diverged", "unsupported")


@dataclass(frozen=True)
class Folders:
    """Where runs write, under one root."""

    root: Path

    def record(self, run_id: str) -> Path:
        return self.root / "runs" / f"{run_id}.json"

    def predictions(self, run_id: str) -> Path:
        return self.root / "predictions" / f"{run_id}.npz"

    def checkpoint(self, run_id: str) -> Path:
        return self.root / "checkpoints" / f"{run_id}.pt"

    def weights(self, run_id: str) -> Path:
        return self.root / "weights" / f"{run_id}.pt"

    def curvature(self, run_id: str, settings: Rows) -> Path:
        return self.root / "sharpness" / f"{file_stem(run_id, settings)}.json"

    def surface(self, run_id: str, settings: Rows) -> Path:
        return self.root / "landscape" / f"{file_stem(run_id, settings)}.csv"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    def failure(self, run_id: str) -> Path:
        return self.root / "failures" / f"{run_id}.txt"


def state(experiment: Experiment, folders: Folders) -> str:
    """`done`, `diverged`, `failed`, `unsupported`, `interrupted` (has a checkpoint), `missing`.

    `unreadable` is a file that holds no record: the run is left to do, and replaces it.
    """
    record = folders.record(experiment.run_id)
    if record.exists():
        try:
            return RunRecord.load(record).status
        except ValueError:
            return "unreadable"
    checkpoint = folders.checkpoint(experiment.run_id)
    return "interrupted" if checkpoint.exists() else "missing"


def pending(
    experiments: Iterable[Experiment], folders: Folders, keep_weights: bool = False
) -> list[Experiment]:
    """What is left to run, each once; failed runs are tried again.

    With `keep_weights` also what is done, but its weights were not kept.
    """

    def left(experiment: Experiment) -> bool:
        found = state(experiment, folders)
        lost = found == "done" and not folders.weights(experiment.run_id).exists()
        return found not in ENDED or (keep_weights and lost)

    return [e for e in {e.run_id: e for e in experiments}.values() if left(e)]
