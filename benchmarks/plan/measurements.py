"""Figures of `bench`: those measured on this machine, else those published with the code.

Also what the tests on this machine's GPU said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.plan.cuda import Driver, cuda_driver, dotted, installed_torch, why_no_cuda
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.networks import data_of
from benchmarks.plan.workspace import ROOT, loader_options, prepared_folder
from benchmarks.records.files import write_json
from datasets import registry
from datasets.registry import split_sizes
from datasets.store.system import listed

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
        for path in [*listed(folder, "memory.json"), *listed(folder, "steps*.json")]:
            parts[path.stem] = parts.get(path.stem) or _read(path, whose)
    memory = parts.pop("memory", {})
    seconds = {key: figure for figures in parts.values() for key, figure in figures.items()}
    return Figures(seconds, memory, frozenset(part for part in parts if not parts[part]))


def best_packing(own: Path = OWN) -> int | None:
    """How many runs side by side are fastest on this machine's GPU; None if `bench` did not tell.

    Of numbers that are equally fast, up to what a measurement scatters, the smallest.
    """
    path = own / "packing.json"
    driver = cuda_driver()
    if driver is None or not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {int(row["runs"]): row["throughput over one run"] for row in content["rows"]}
        device = content["environment"]["device"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path} is not a table of bench: {error}; run ./reproduce.sh bench again"
        ) from error
    if device not in gpu_names(driver):
        return None
    speeds = {runs: speed for runs, speed in rows.items() if isinstance(speed, int | float)}
    least = SCATTER * max(speeds.values(), default=0)
    return min((runs for runs, speed in speeds.items() if speed >= least), default=None)


SCATTER = 0.97  # a speed within three percent of the best is as good


def remember_gpu_tests(own: Path = OWN) -> None:
    """Notes that the tests on this machine's GPU have passed."""
    write_json(own / "gpu_tests.json", gpu_identity())


def gpu_tests_passed(own: Path = OWN) -> bool:
    """Whether they have passed with this GPU, this driver and this torch."""
    path = own / "gpu_tests.json"
    try:
        return path.exists() and json.loads(path.read_text(encoding="utf-8")) == gpu_identity()
    except (ValueError, OSError):
        return False


def gpu_identity() -> dict[str, Any]:
    """What decides whether CUDA works: GPUs, driver, torch; empty without a GPU to train on."""
    driver, torch = cuda_driver(), installed_torch(ask=False)
    if driver is None or torch is None or why_no_cuda(driver, torch):
        return {}
    return {
        "gpus": gpu_names(driver),
        "driver": driver.release or dotted(driver.version),
        "torch": torch.version,
    }


def gpu_names(driver: Driver) -> list[str]:
    """The names of the GPUs, without their numbers."""
    return [name.partition(": ")[2] for name in driver.memory]


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
        raise ValueError(
            f"{path} is not a table of bench: {error}; run ./reproduce.sh bench again"
        ) from error


def _value(row: Mapping[str, Any]) -> float:
    if "peak MiB" in row:
        return float(row["peak MiB"])
    return float(row["seconds per step"]) / int(row["batch"])


@dataclass(frozen=True)
class SampleCounts:
    """How many samples an epoch trains on and evaluates, and how many predictions it makes.

    `evaluated` counts for each modality at most the different samples of `val` and `test` together;
    `predictions` those of one output on `test`, one per segment, in `classes` classes.
    """

    train: int
    evaluated: Mapping[str, int]
    predictions: int
    classes: int


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
    return SampleCounts(train, evaluated, splits["test"].samples * spec.segments, spec.classes)
