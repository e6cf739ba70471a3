"""Where runs write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """Where runs write, under one root."""

    root: Path

    def record(self, run_id: str) -> Path:
        return self.root / "runs" / f"{run_id}.json"

    def predictions(self, run_id: str) -> Path:
        return self.root / "predictions" / f"{run_id}.npz"

    def logits(self, run_id: str) -> Path:
        return self.root / "logits" / f"{run_id}.npz"

    def checkpoint(self, run_id: str) -> Path:
        return self.root / "checkpoints" / f"{run_id}.pt"

    def weights(self, run_id: str) -> Path:
        return self.root / "weights" / f"{run_id}.pt"

    @property
    def log(self) -> Path:
        return self.root / "log.txt"

    @property
    def leases(self) -> Path:
        return self.root / "leases"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    def failure(self, run_id: str) -> Path:
        return self.root / "failures" / f"{run_id}.txt"
