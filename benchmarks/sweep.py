"""The state of every experiment on disk, and what is left to run. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord

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

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    def failure(self, run_id: str) -> Path:
        return self.root / "failures" / f"{run_id}.txt"


def state(experiment: Experiment, folders: Folders) -> str:
    """`done`, `diverged`, `failed`, `unsupported`, `interrupted` (has a checkpoint), `missing`."""
    record = folders.record(experiment.run_id)
    if record.exists():
        return RunRecord.load(record).status
    checkpoint = folders.checkpoint(experiment.run_id)
    return "interrupted" if checkpoint.exists() else "missing"


def pending(experiments: Iterable[Experiment], folders: Folders) -> list[Experiment]:
    """What is left to run, each once; failed runs are tried again."""
    unique = {e.run_id: e for e in experiments}.values()
    return [e for e in unique if state(e, folders) not in ENDED]
