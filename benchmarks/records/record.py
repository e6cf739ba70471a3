"""The record of a run: the one schema that training writes and every report reads."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.plan.experiment import Experiment
from benchmarks.records.files import write_bytes
from datasets.store.system import listed
from msam.parameters import field_problems

SCHEMA = 1

Status = Literal["done", "diverged", "failed", "unsupported"]


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
    status: Status
    reason: str = ""  # of a run that is not done
    history: tuple[dict[str, Any], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)  # sizes, options, stand_in, fingerprint
    parameters: int = 0  # trainable scalars of the model
    method_params: Mapping[str, Any] = field(default_factory=dict)  # all, defaults included
    environment: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(
        default_factory=dict
    )  # digests, see records/code.py; old records: none
    predictions_sha256: str = ""  # of the file with the predictions
    logits_sha256: str = ""  # of the file with the logits
    ended_early: bool = False  # the method itself ended a run that is done
    schema: int = SCHEMA

    @property
    def stand_in(self) -> bool:
        """True for generated data, which never gets a verdict against the paper."""
        return bool(self.data.get("stand_in"))

    def save(self, path: Path) -> None:
        """Writes the record atomically, with a checksum."""
        values = asdict(self) | {"experiment": self.experiment.to_dict()}
        write_bytes(path, sealed(values))

    @classmethod
    def load(cls, path: Path) -> RunRecord:
        """Reads a record; ValueError names the file and what is wrong with it."""
        try:
            content = path.read_bytes()
            values = json.loads(content.decode(), parse_constant=_refuse)
            if not isinstance(values, dict):
                raise ValueError("it is not a JSON object")
            if values.get("schema") != SCHEMA:
                raise ValueError(f"its schema is {values.get('schema')}; this suite reads {SCHEMA}")
            values.pop("sha256", None)
            values["experiment"] = Experiment.from_dict(values["experiment"])
            problems = field_problems(cls, values, "record")
            problems = problems or record_problems(values, path.stem)
            if problems:
                raise ValueError("; ".join(problems))
            if not is_sealed(content):
                raise ValueError("it has no checksum")
            return cls(**values | {"history": tuple(values["history"])})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a readable record: {error}") from error


def record_problems(values: Mapping[str, Any], name: str) -> list[str]:
    """What contradicts itself in a record whose fields have the right types.

    `name` is that of its file, without the suffix.
    """
    experiment = values["experiment"]
    numbers = [entry["epoch"] for entry in values["history"]]
    in_order = numbers == list(range(1, len(numbers) + 1))
    problems = [] if in_order else [f"its epochs are not 1, 2, ...: {numbers}"]
    if not values["run_id"] == experiment.run_id == name:
        ids = f"'{values['run_id']}' in a file '{name}'"
        problems.append(f"it is run {ids}, but its experiment is '{experiment.run_id}'")
    if bool(values["data"].get("stand_in")) != bool(experiment.data.get("stand_in")):
        problems.append("record and experiment disagree on whether the data is stand-in data")
    if values["status"] == "done" and not values["history"]:
        problems.append("it is done, but has no epoch")
    problems += _size_problems(values["data"]) + _number_problems(values)
    parts = [entry[part] for entry in values["history"] for part in ("val", "test")]
    return problems + [
        f"{key} is {value!r}; accuracies are fractions from 0 to 1"
        for metrics in parts
        for key, value in {"acc_mm": None, **metrics}.items()
        if key.startswith("acc_") and not _is_fraction(value)
    ]


def _size_problems(data: Mapping[str, Any]) -> list[str]:
    """Problems with the recorded sizes: test samples, and predictions per sample."""
    sizes = data.get("sizes", {})
    given = {"test size": sizes.get("test", 1), "number of segments": data.get("segments", 1)}
    return [
        f"its {name} is {value!r}; it must be a whole number from 1"
        for name, value in given.items()
        if type(value) is not int or value < 1
    ]


def _number_problems(values: Mapping[str, Any]) -> list[str]:
    """Means of training and times that are not finite numbers."""
    timing = values.get("timing", {})
    groups = {f"training of epoch {e['epoch']}": e.get("train", {}) for e in values["history"]}
    groups["time"] = {"seconds": timing.get("seconds", 0)}
    seconds = timing.get("epoch_seconds", [])
    groups["time of an epoch"] = dict(enumerate(seconds)) if isinstance(seconds, list) else None
    return [
        f"its {name} is {group!r:.80}; it must hold finite numbers"
        for name, group in groups.items()
        if not isinstance(group, dict) or not all(map(_is_finite, group.values()))
    ]


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < math.inf


def _is_fraction(value: Any) -> bool:  # a thousand records hold a million of them
    return type(value) in (int, float) and 0 <= value <= 1


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


@dataclass(frozen=True)
class LeftOut:
    """A record that a report does not use: its file's name without `.json`, and why."""

    name: str
    reason: str


def load_records(folder: Path) -> tuple[list[RunRecord], list[LeftOut]]:
    """Every record in `folder`, sorted by name, and the files that hold none."""
    records, left_out = [], []
    for path in listed(folder, "*.json"):
        try:
            records.append(RunRecord.load(path))
        except (ValueError, OSError) as error:
            reason = str(error).removeprefix(f"{path} is ")
            left_out.append(LeftOut(path.stem, " ".join(reason.split())))
    return records, left_out


_KEY = b'"sha256": "'
_DIGITS = 64


def sealed(values: Mapping[str, Any]) -> bytes:
    """`values` as readable JSON, with the checksum of all the rest; NaN raises ValueError."""
    text = json.dumps({**values, "sha256": ""}, indent=1, allow_nan=False) + "\n"
    head, key, tail = text.encode().rpartition(_KEY)
    return head + key + _checksum(head, tail) + tail


def is_sealed(content: bytes) -> bool:
    """Whether there is a checksum and it fits; ValueError if there is one that does not fit."""
    head, key, tail = content.rpartition(_KEY)
    if not key:
        return False
    if tail[:_DIGITS] != _checksum(head, tail[_DIGITS:]):
        raise ValueError("its checksum does not fit its content")
    return True


def _checksum(head: bytes, tail: bytes) -> bytes:
    digest = hashlib.sha256(head)
    digest.update(_KEY)
    digest.update(tail)
    return digest.hexdigest().encode()
