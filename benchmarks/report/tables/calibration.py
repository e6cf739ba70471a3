"""The calibration of the runs: how far the stated confidence is from the accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.records.predictions import Predictions
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.study import (
    StudyTable,
    count,
    line_label,
    mean_and_sd,
    one_per_cell,
    place_of,
)
from benchmarks.report.tables.table import Table

BINS = 15
# The columns of `calibration.csv`.
TYPES = {
    "suite": "str",
    "dataset": "str",
    "fusion": "str",
    "row": "str",
    "seed": "int64",
    "selection": "str",
    "epoch": "int64",
    "accuracy": "float64",
    "confidence": "float64",
    "ece": "float64",
    "predictions": "int64",
    "run_id": "str",
    "stand_in": "bool",
    "published_protocol": "bool",
}
ABOUT = (
    f"Expected calibration error of the fused output: confidence against accuracy in {BINS} equal "
    "bins of confidence (Guo et al. 2017), in percent, mean and standard deviation over seeds. The "
    "mean confidence exceeds the accuracy where a model is too sure. Runs without stored logits "
    "are left out."
)


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """ECE of N predictions as a fraction: sum over bins of |B| / N * |accuracy - confidence|.

    `confidence` is the probability of each predicted class, (N,); `right` is (N,) bool. The bins
    are ((b - 1) / 15, b / 15]. Guo et al. 2017, On Calibration of Modern Neural Networks, Eq. 3.
    """
    inner = np.arange(1, BINS) / BINS
    bins = np.searchsorted(inner, confidence, side="left")
    gaps = np.bincount(bins, weights=right - confidence.astype(np.float64), minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_frame(tables: Sequence[Table], predictions: Predictions) -> pd.DataFrame:
    """The lines of `calibration.csv`: one per run of a table that stored the logits; percent."""
    lines = [
        line
        for table in tables
        for entry in one_per_cell(table)
        for line in _lines(table, entry, predictions)
    ]
    return pd.DataFrame(lines, columns=list(TYPES)).astype(TYPES)


def calibration_table(frame: pd.DataFrame) -> list[StudyTable]:
    """What the page shows: a line for each row of a table; no table without logits."""
    places = ["suite", "dataset", "row", "fusion", "stand_in", "published_protocol"]
    lines = [
        (
            line_label(row, stand_in, published),
            suite,
            dataset,
            fusion,
            count(len(runs)),
            *mean_and_sd(runs["ece"]),
            mean_and_sd(runs["confidence"])[0],
            mean_and_sd(runs["accuracy"])[0],
        )
        for (suite, dataset, row, fusion, stand_in, published), runs in frame.groupby(
            places, sort=False
        )
    ]
    columns = (
        *("Row", "Table", "Dataset", "Fusion", "Seeds"),
        *("ECE", "sd", "Confidence", "Accuracy"),
    )
    made = StudyTable("calibration", "Calibration", ABOUT, "calibration.csv", columns, tuple(lines))
    return [made] if lines else []


def _lines(table: Table, entry: Entry, predictions: Predictions) -> Iterator[dict[str, Any]]:
    for run in entry.runs:
        place = place_of(table, entry, run)
        try:
            found = predictions.confidence(run, place["epoch"], "mm")
        except ValueError:  # no logits, or such as the audit has named
            continue
        yield {
            **place,
            "accuracy": 100 * found.right.mean(),
            "confidence": 100 * found.confidence.mean(dtype=np.float64),
            "ece": 100 * expected_calibration_error(found.confidence, found.right),
            "predictions": len(found.right),
        }
