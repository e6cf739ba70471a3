"""Hand-made cells and records for the tests of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.configs.load import load_config
from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell, DataState, plan_suite
from benchmarks.records.predictions import Predictions, is_logits
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import candidate_epochs
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.table import Table
from benchmarks.report.write import Request, make_tables
from datasets.tensors.label_noise import noisy_fingerprint

SEEDS = 3  # planned, so that three runs fill a cell
SAMPLES = 10_000  # of every test set: accuracies to two decimals are exact


def with_seeds(config: Config, seeds: int) -> Config:
    """The configuration in which the profile `paper` plans so many seeds."""
    profiles = {**config.profiles, "paper": replace(config.profiles["paper"], seeds=seeds)}
    return replace(config, profiles=profiles)


CONFIG = with_seeds(load_config(), SEEDS)
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
    history = [epoch(1, 0.5, test)] if history is None else history
    return RunRecord(
        run_id=experiment.run_id,
        experiment=experiment,
        status=status,
        reason=reason,
        history=tuple({**e, "train": {"loss_mm": 1.0 + seed, **e["train"]}} for e in history),
        data={"stand_in": stand_in, "fingerprint": fingerprint, "sizes": {"test": SAMPLES}},
        code={"method": "m", "shared": "s", "data": "d"},
        ended_early=True,
    )


class Fitting(Predictions):
    """Predictions that have exactly the accuracies of every record.

    The runs are right on different samples, each on a part that their seed decides.
    """

    def __init__(self) -> None:
        super().__init__(None)

    def arrays(self, record: RunRecord) -> dict[str, np.ndarray]:
        count = record.data.get("sizes", {"test": SAMPLES})["test"] * record.data.get("segments", 1)
        found = {"labels": np.zeros(count, np.int16)}
        reported = candidate_epochs(record.history)
        for entry in (entry for entry in record.history if entry["epoch"] in reported):
            for name, accuracy in entry["test"].items():
                if name.startswith("acc_"):
                    wrong = np.ones(count, np.int16)
                    wrong[: round(accuracy * count)] = 0
                    shifted = np.roll(wrong, 97 * record.experiment.seed)
                    found[f"epoch{entry['epoch']}_{name.removeprefix('acc_')}"] = shifted
        return found


def save_arrays(folder: Path, record: RunRecord, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays as the predictions of a run, and its logits into the folder beside it."""
    logits = {name: array for name, array in arrays.items() if is_logits(name)}
    classes = {name: array for name, array in arrays.items() if not is_logits(name)}
    for place, found in ((folder, classes), (folder.parent / "logits", logits)):
        place.mkdir(exist_ok=True)
        np.savez(place / f"{record.run_id}.npz", **found)


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
    seeds: int = SEEDS,
) -> Table:
    """The judged table; `seeds` are planned by the profile `paper`."""
    request = request_of({suite: cells}, records, profile, selection)
    _, (made,) = make_tables(replace(request, config=with_seeds(CONFIG, seeds)))
    return made


def request_of(
    suites: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    profile: str = "paper",
    selection: str = "val-best",
    predictions: Predictions | None = None,
    unreadable: Sequence[LeftOut] = (),
) -> Request:
    """What a report is made from; without `predictions`, with some that fit the records."""
    stored = predictions or Fitting()
    return Request(CONFIG, profile, suites, records, selection, stored, unreadable)


def entry_of(filled: Table, row: str, column: str = "avmnist:acc_mm") -> Entry:
    """The entry at a place that has one."""
    entry = filled.at(row, column)
    assert entry is not None
    return entry


def csv_lines(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()
