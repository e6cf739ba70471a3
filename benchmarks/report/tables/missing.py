"""Missing modalities: the accuracy of trained models when one modality is absent in the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from benchmarks.records.predictions import WITHOUT, Predictions
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.study import (
    Number,
    StudyTable,
    count,
    line_label,
    mean_and_sd,
    one_per_cell,
    place_of,
)
from benchmarks.report.tables.table import Table

SHARES = (0, 10, 30, 50, 70, 100)  # percent of the test samples
# The columns of `missing.csv`.
TYPES = {
    "suite": "str",
    "dataset": "str",
    "fusion": "str",
    "row": "str",
    "seed": "int64",
    "selection": "str",
    "epoch": "int64",
    "absent": "str",
    "share": "int64",
    "accuracy": "float64",
    "run_id": "str",
    "stand_in": "bool",
    "published_protocol": "bool",
}
ABOUT = (
    "Fused accuracy in percent when one modality is absent in a share of the test samples, mean "
    "over seeds, without training again. Absent means as in evaluation: late fusion leaves the "
    "modality's head out, early fusion gets zeros for its features. A share is the expectation "
    "over all choices of the samples: (1 - share) times the accuracy with all modalities plus "
    "share times the accuracy without the one."
)


def missing_frame(tables: Sequence[Table], predictions: Predictions) -> pd.DataFrame:
    """The lines of `missing.csv`: one per run, absent modality and share; percent.

    Runs on one modality have none, nor have runs that stored no output without the modality.
    """
    lines = [
        line
        for table in tables
        for entry in one_per_cell(table)
        for line in _lines(table, entry, predictions)
    ]
    return pd.DataFrame(lines, columns=list(TYPES)).astype(TYPES)


def missing_table(frame: pd.DataFrame) -> list[StudyTable]:
    """What the page shows: a line for each row and absent modality; no table without runs."""
    places = ["suite", "dataset", "row", "fusion", "absent", "stand_in", "published_protocol"]
    lines: list[tuple[str | Number, ...]] = []
    for place, found in frame.groupby(places, sort=False):
        suite, dataset, row, fusion, absent, stand_in, published = place
        by_share = [found.loc[found["share"] == share, "accuracy"] for share in SHARES]
        lines.append(
            (
                line_label(row, stand_in, published),
                *(suite, dataset, fusion, absent),
                count(len(by_share[0])),
                *(mean_and_sd(values)[0] for values in by_share),
                mean_and_sd(by_share[-1])[1],
            )
        )
    shares = [f"{share} %" for share in SHARES]
    columns = ("Row", "Table", "Dataset", "Fusion", "Absent", "Seeds", *shares, "sd of 100 %")
    made = StudyTable("missing", "Missing modalities", ABOUT, "missing.csv", columns, tuple(lines))
    return [made] if lines else []


def mixture(full: float, absent: float, share: float) -> float:
    """The expected accuracy when a random `share` of the samples (0 to 1) lacks the modality."""
    return (1 - share) * full + share * absent


def _lines(table: Table, entry: Entry, predictions: Predictions) -> Iterator[dict[str, Any]]:
    known = table.config.datasets[entry.cell.dataset].modalities
    modalities = entry.cell.template.modalities or known
    for run in entry.runs:
        place = place_of(table, entry, run)
        epoch = place["epoch"]
        for absent, output in without(modalities).items():
            try:
                full = predictions.correct(run, epoch, "mm").mean(dtype=float)
                least = predictions.correct(run, epoch, output).mean(dtype=float)
            except ValueError:  # not stored, as in older files
                continue
            for share in SHARES:
                yield {
                    **place,
                    "absent": absent,
                    "share": share,
                    "accuracy": 100 * mixture(full, least, share / 100),
                }


def without(modalities: Sequence[str]) -> dict[str, str]:
    """For each modality the name of the output without it: of two, that is the other's own."""
    if len(modalities) == 2:
        first, second = modalities
        return {first: second, second: first}
    return {m: f"{WITHOUT}{m}" for m in modalities if len(modalities) > 1}
