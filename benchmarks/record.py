"""The record of a run: the one schema that training writes and every report reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.experiment import Experiment
from benchmarks.files import write_json
from msam.parameters import field_problems

SCHEMA = 1


@dataclass(frozen=True)
class RunRecord:
    """Result of one experiment. Accuracies are fractions, times seconds.

    `history` has one entry per epoch: {"epoch", "lr", "train", "val", "test"}, where `train`
    holds online means over the epoch's batches and `val` and `test` hold `acc_mm`, `loss_mm` and
    `acc_<modality>`. `timing` and `environment` are all that may differ between two runs of the
    same experiment on the same kind of machine.
    """

    run_id: str
    experiment: Experiment
    status: Literal["done", "diverged", "failed", "unsupported"]
    reason: str = ""  # of a run that is not done
    history: tuple[dict[str, Any], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)  # sizes, options, stand_in, fingerprint
    parameters: int = 0  # trainable scalars of the model
    method_params: Mapping[str, Any] = field(default_factory=dict)  # all, defaults included
    environment: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def stand_in(self) -> bool:
        """True for generated data, which never gets a verdict against the paper."""
        return bool(self.data.get("stand_in"))

    def save(self, path: Path) -> None:
        """Writes the record atomically."""
        content = asdict(self) | {"experiment": self.experiment.to_dict()}
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> RunRecord:
        """Reads a record; ValueError names the file and what is wrong with it."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ValueError("it is no JSON object")
            if values.get("schema") != SCHEMA:
                raise ValueError(f"its schema is {values.get('schema')}; this suite reads {SCHEMA}")
            values["experiment"] = Experiment.from_dict(values["experiment"])
            if problems := field_problems(cls, values, "record"):
                raise ValueError("; ".join(problems))
            return cls(**values | {"history": tuple(values["history"])})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is no readable record: {error}") from error


def load_records(folder: Path) -> list[RunRecord]:
    """Every record in `folder`, sorted by name."""
    return [RunRecord.load(path) for path in sorted(folder.glob("*.json"))]
