"""Grids, and records that fill them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.configs.load import load_config
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import DataState
from benchmarks.records.record import RunRecord
from benchmarks.studies.tuning.grid import Search, searches
from benchmarks.studies.tuning.outcomes import Outcome, outcomes

CONFIG = load_config()
PREPARED = {name: DataState(f"fingerprint-{name}") for name in CONFIG.datasets}
MISSING = {name: DataState(None, "data missing") for name in CONFIG.datasets}
TUNE = CONFIG.profiles["tune"]


def search_of(name: str, seeds: int = 1, states: dict[str, DataState] = PREPARED) -> Search:
    """The search `dataset fusion method`."""
    planned = searches(CONFIG, replace(TUNE, seeds=seeds), states)
    return next(search for search in planned if search.name == name)


def record(
    experiment: Experiment,
    val: Sequence[float] = (0.5,),
    test: Sequence[float] = (),
    status: str = "done",
) -> RunRecord:
    """A run with these fused accuracies per epoch."""
    pairs = zip(val, test or val, strict=True)
    history = tuple(
        {"epoch": n, "val": {"acc_mm": v}, "test": {"acc_mm": t}}
        for n, (v, t) in enumerate(pairs, start=1)
    )
    return RunRecord(experiment.run_id, experiment, status, "why", history)


def outcome_of(search: Search, accuracies: Sequence[float], **changes: Any) -> Outcome:
    """The outcome of one run per value with these validation accuracies."""
    runs = [record(e, (a,)) for e, a in zip(search.experiments, accuracies, strict=True)]
    (found,) = outcomes([search], [replace(run, **changes) for run in runs])
    return found
