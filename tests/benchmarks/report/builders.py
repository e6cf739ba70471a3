"""Hand-made cells and records for the tests of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.configs.load import load_config
from benchmarks.plan.suites import Cell, DataState, plan_suite
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.table import Table
from benchmarks.report.write import Request, make_tables
from datasets.tensors.label_noise import noisy_fingerprint

CONFIG = load_config()
PAPERS = tuple(name for name, suite in CONFIG.suites.items() if suite.source == "paper")
READY = DataState("print-a")
MISSING = DataState(None, "data missing")


def plan(suite: str = "table1", profile: str = "paper", **states: DataState) -> list[Cell]:
    """All cells of a suite; the data of every dataset is missing unless `states` says more."""
    known = {name: states.get(name, MISSING) for name in CONFIG.datasets}
    return plan_suite(CONFIG, suite, CONFIG.profiles[profile], known)


def cell_of(cells: Sequence[Cell], row: str, dataset: str = "avmnist") -> Cell:
    """The cell of this row and dataset."""
    return next(c for c in cells if c.row.label == row and c.dataset == dataset)


def epoch(number: int, val: float, test: dict[str, float]) -> dict[str, Any]:
    """An entry of a history; `test` holds fractions."""
    return {"epoch": number, "lr": 0.1, "train": {}, "val": {"acc_mm": val}, "test": test}


def record(
    cell: Cell,
    seed: int,
    percent: float = 70.0,
    *,
    status: str = "done",
    reason: str = "",
    fingerprint: str = "print-a",
    stand_in: bool = False,
    history: Sequence[dict[str, Any]] | None = None,
) -> RunRecord:
    """A run of `cell` with one epoch, in which every accuracy is `percent`."""
    experiment = replace(cell.template, seed=seed)
    fingerprint = noisy_fingerprint(fingerprint, experiment.data.get("label_noise", 0))
    experiment = replace(experiment, data={**experiment.data, "fingerprint": fingerprint})
    test = {f"acc_{m}": percent / 100 for m in ("audio", "visual", "text", "mm")}
    return RunRecord(
        run_id=experiment.run_id,
        experiment=experiment,
        status=status,
        reason=reason,
        history=tuple([epoch(1, 0.5, test)] if history is None else history),
        data={"stand_in": stand_in, "fingerprint": fingerprint},
    )


def runs(cell: Cell, *percents: float, **words: Any) -> list[RunRecord]:
    """Runs of seeds 0, 1, ... with these accuracies."""
    return [record(cell, seed, percent, **words) for seed, percent in enumerate(percents)]


def table(
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    selection: str = "val-best",
    *,
    suite: str = "table1",
    profile: str = "paper",
) -> Table:
    """The judged table."""
    request = Request(CONFIG, profile, {suite: cells}, records, selection)
    _, (made,) = make_tables(request, Predictions(None))
    return made


def entry_of(filled: Table, row: str, column: str = "avmnist:acc_mm") -> Entry:
    """The entry at a place that has one."""
    entry = filled.at(row, column)
    assert entry is not None
    return entry


def csv_lines(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()
