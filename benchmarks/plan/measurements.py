"""Figures of `bench`: those measured on this machine, else those published with the code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.plan.experiment import Experiment
from benchmarks.plan.networks import data_of
from benchmarks.plan.workspace import ROOT, loader_options, prepared_folder
from datasets import registry
from datasets.registry import split_sizes

COMMITTED = ROOT / "results" / "bench"
# Own measurements must not replace the published figures, so they have a folder below these, which
# git ignores. They are not in `data/`, which several machines may share.
OWN = COMMITTED / "local"

Key = tuple[str, str, str, str]  # data, encoder, fusion, row


@dataclass(frozen=True)
class Figure:
    """`value`: seconds per sample of a step, or MiB at its peak; `source`: on which machine."""

    value: float
    source: str


@dataclass(frozen=True)
class Figures:
    """Seconds and peaks by key; `outdated` are the parts of which only older files are there."""

    seconds: Mapping[Key, Figure] = field(default_factory=dict)
    memory: Mapping[Key, Figure] = field(default_factory=dict)
    outdated: frozenset[str] = frozenset()


def load_figures(own: Path = OWN, committed: Path = COMMITTED) -> Figures:
    """What is in the two folders; empty without them. ValueError if a file cannot be read."""
    parts: dict[str, dict[Key, Figure]] = {}
    for folder, whose in ((own, "measured here"), (committed, "published with the code")):
        for path in sorted([*folder.glob("steps*.json"), *folder.glob("memory.json")]):
            parts[path.stem] = parts.get(path.stem) or _read(path, whose)
    memory = parts.pop("memory", {})
    seconds = {key: figure for figures in parts.values() for key, figure in figures.items()}
    return Figures(seconds, memory, frozenset(part for part in parts if not parts[part]))


def key_for(experiment: Experiment, row: str) -> Key:
    """The key of a row of `bench` for the network that an experiment trains."""
    return data_of(experiment), experiment.encoder, experiment.fusion, row


def _read(path: Path, whose: str) -> dict[Key, Figure]:
    """The figures of a file; none if an older version wrote it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        environment, rows = content["environment"], content["rows"]
        source = f"{environment['device']} ({environment['threads']} threads, {whose})"
        if not all("data" in row for row in rows):
            return {}
        return {
            (row["data"], row["encoder"], row["fusion"], row["method"]): Figure(_value(row), source)
            for row in rows
        }
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError, OSError) as error:
        raise ValueError(f"{path} is no table of bench: {error}; measure again") from error


def _value(row: Mapping[str, Any]) -> float:
    if "peak MiB" in row:
        return float(row["peak MiB"])
    return float(row["seconds per step"]) / int(row["batch"])


@dataclass(frozen=True)
class SampleCounts:
    """How many samples an epoch trains on and evaluates, and how many predictions it makes.

    `evaluated` counts for each modality at most the different samples of `val` and `test` together;
    `predictions` those of one output on `test`, one per segment.
    """

    train: int
    evaluated: Mapping[str, int]
    predictions: int


def prepared_counts(experiment: Experiment) -> SampleCounts:
    """As the prepared folder says; DataError if it is missing or does not say it."""
    folder = prepared_folder(experiment.dataset, bool(experiment.data.get("stand_in")))
    splits = split_sizes(experiment.dataset, folder, loader_options(experiment.data))
    spec = registry.spec(experiment.dataset)
    evaluated = {
        m: sum(splits[s].distinct.get(m, splits[s].samples) for s in ("val", "test"))
        for m in experiment.modalities or spec.modalities
    }
    train = splits["train"].samples
    train = min(train, experiment.train_samples or train)
    return SampleCounts(train, evaluated, splits["test"].samples * spec.segments)
