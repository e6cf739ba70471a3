"""Ensembles of the runs on one modality: each model at its own reported epoch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.tables.study import StudyTable, count, line_label, mean_and_sd, one_per_cell
from benchmarks.report.tables.table import Table
from benchmarks.report.wording import is_published

Average = Literal["logits", "probabilities"]
AVERAGES: tuple[Average, ...] = ("logits", "probabilities")
# The columns of `ensembles.csv`.
TYPES = {
    "dataset": "str",
    "fusion": "str",
    "models": "str",
    "seed": "int64",
    "average": "str",
    "selection": "str",
    "epochs": "str",
    "accuracy": "float64",
    "reason": "str",
    "run_ids": "str",
    "stand_in": "bool",
    "published_protocol": "bool",
}
ABOUT = (
    "The models that were trained on one modality each, averaged on the test set: the mean of "
    "their logits, or of their probabilities. Each model is taken at its own reported epoch, all "
    "of one seed. Accuracy in percent, mean and standard deviation over seeds."
)


def ensemble(logits: Sequence[np.ndarray], average: Average) -> np.ndarray:
    """The scores (N, C) of an ensemble from the logits of its models, M times (N, C).

    `logits`: their mean (kkontras/MLB@357b5ce, models/OGM_Model.py:5432-5455). `probabilities`:
    the mean of one softmax each. The predicted class is the one with the highest score.
    """
    stacked = np.stack(logits).astype(np.float64)
    if average == "probabilities":
        stacked = np.exp(stacked - stacked.max(2, keepdims=True))
        stacked /= stacked.sum(2, keepdims=True)
    return stacked.mean(0)


def ensembles_frame(tables: Sequence[Table], predictions: Predictions) -> pd.DataFrame:
    """The lines of `ensembles.csv`: one per seed and average, accuracy in percent.

    `models` names their rows; `epochs` and `run_ids` have those of the models, all in the order of
    the dataset's modalities. Where a seed has no number, `reason` says why.
    """
    lines = [
        line
        for members in _members(tables).values()
        for line in _lines(tables[0], members, predictions)
    ]
    return pd.DataFrame(lines, columns=list(TYPES)).astype(TYPES)


def ensembles_table(frame: pd.DataFrame) -> list[StudyTable]:
    """What the page shows: a line for each kind of ensemble; no table without single runs."""
    places = ["dataset", "fusion", "models", "average", "stand_in", "published_protocol"]
    lines = [
        (
            line_label(f"{models}, mean of {average}", stand_in, published),
            dataset,
            fusion,
            count(int(seeds["accuracy"].count())),
            *mean_and_sd(seeds["accuracy"].dropna()),
            "; ".join(filter(None, dict.fromkeys(seeds["reason"]))),
        )
        for (dataset, fusion, models, average, stand_in, published), seeds in frame.groupby(
            places, sort=False
        )
    ]
    columns = ("Ensemble", "Dataset", "Fusion", "Seeds", "Accuracy", "sd", "Not there")
    title = "Ensembles of single modalities"
    made = StudyTable("ensembles", title, ABOUT, "ensembles.csv", columns, tuple(lines))
    return [made] if lines else []


@dataclass(frozen=True)
class _Member:
    """A run on one modality, and the label of its row."""

    run: RunRecord
    row: str


def _members(tables: Sequence[Table]) -> Mapping[str, dict[str, _Member]]:
    """The runs on one modality, by modality, of each experiment that differs in nothing else."""
    found: dict[str, dict[str, _Member]] = defaultdict(dict)
    for table in tables:
        for entry in one_per_cell(table):
            for run in entry.runs:
                if len(run.experiment.modalities) == 1:
                    together = replace(run.experiment, modalities=())
                    member = _Member(run, entry.row)
                    found[together.run_id].setdefault(run.experiment.modalities[0], member)
    return found


def _lines(
    table: Table, members: Mapping[str, _Member], predictions: Predictions
) -> list[dict[str, Any]]:
    """A line per average; `table` gives the configuration and the rule of the reported epoch."""
    config = table.config
    first = next(iter(members.values())).run
    wanted = config.datasets[first.experiment.dataset].modalities
    found = [members[m] for m in wanted if m in members]
    runs = [member.run for member in found]
    epochs = [choose(table.selection, run.history)["epoch"] for run in runs]
    shared = {
        "dataset": first.experiment.dataset,
        "fusion": first.experiment.fusion,
        "models": " + ".join(member.row for member in found),
        "seed": first.experiment.seed,
        "selection": table.selection,
        "epochs": " ".join(map(str, epochs)),
        "run_ids": " ".join(run.run_id for run in runs),
        "stand_in": first.stand_in,
        "published_protocol": is_published(runs),
    }
    missing = [m for m in wanted if m not in members]
    accuracies = dict.fromkeys(AVERAGES, math.nan)
    reason = f"no usable run on {', '.join(missing)} alone" if missing else ""
    if not reason:
        try:
            accuracies = _accuracies(runs, epochs, predictions)
        except ValueError as error:
            reason = str(error)
    return [
        {**shared, "average": average, "accuracy": 100 * value, "reason": reason}
        for average, value in accuracies.items()
    ]


def _accuracies(
    runs: Sequence[RunRecord], epochs: Sequence[int], predictions: Predictions
) -> dict[Average, float]:
    """The accuracy of each average; ValueError if logits lack or the test samples differ."""
    labels = predictions.labels(runs[0])
    if not all(np.array_equal(labels, predictions.labels(run)) for run in runs):
        raise ValueError("the models were tested on different samples")
    pairs = zip(runs, epochs, strict=True)
    logits = [predictions.logits(run, epoch, "mm") for run, epoch in pairs]
    if len({z.shape for z in logits}) > 1:
        raise ValueError("the models have different classes")
    return {a: float((ensemble(logits, a).argmax(1) == labels).mean()) for a in AVERAGES}
