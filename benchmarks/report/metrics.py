"""The tidy frame that the tables are made from: one line per run, metric and selection rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.configs.schema import Config, DatasetConfig
from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import Evidence
from benchmarks.records.selection import RULES, choose
from benchmarks.report.statistics import UPPER
from benchmarks.report.tables.paper import metrics
from benchmarks.report.wording import is_published

PLACE = ["suite", "row", "dataset", "metric"]  # the columns that name a number of a table
# The columns of the frame, and of `metrics.csv`.
TYPES = {
    "suite": "str",
    "dataset": "str",
    "fusion": "str",
    "row": "str",
    "seed": "int64",
    "selection": "str",
    "epoch": "Int64",
    "metric": "str",
    "value": "float64",
    "test_samples": "Int64",
    "run_id": "str",
    "stand_in": "bool",
    "published_protocol": "bool",
}


def cell_metrics(cell: Cell, dataset: DatasetConfig) -> tuple[str, ...]:
    """The metrics of a cell in the paper's order: a Single row has its own modality's only."""
    if len(cell.row.modalities) == 1:
        return (f"acc_{cell.row.modalities[0]}",)
    absent = set(dataset.modalities) - set(cell.row.modalities or dataset.modalities)
    return tuple(m for m in metrics(dataset) if m.removeprefix("acc_") not in absent)


def metrics_frame(config: Config, suites: Mapping[str, Sequence[Evidence]]) -> pd.DataFrame:
    """The test accuracies of all runs that count, under every selection rule.

    `suites` holds the evidence of the cells of each suite. `value` is in percent, at the `epoch`
    that the rule `selection` reports, and NaN where the record has none. `test_samples` are
    independent: clips, not their segments.
    """
    lines = [
        line
        for suite, found in suites.items()
        for evidence in found
        for line in _lines(suite, evidence, config.datasets[evidence.cell.dataset])
    ]
    return pd.DataFrame(lines, columns=list(TYPES)).astype(TYPES)


def by_rule(frame: pd.DataFrame) -> pd.DataFrame:
    """The values with a column per selection rule.

    The index holds the columns of PLACE, the seed and the run id; the lines are sorted by it.
    """
    index = [*PLACE, "seed", "run_id"]
    return frame.pivot(index=index, columns="selection", values="value").reindex(columns=[*RULES])


def selection_frame(frame: pd.DataFrame, comparison: pd.DataFrame, selection: str) -> pd.DataFrame:
    """The lines of `selection.csv`: the mean of each measured entry under every rule, in percent.

    `comparison` has the entries under the rule `selection`, which says which runs count.
    `oracle_gain` is what choosing the epoch on the test data adds to `val-best`, in points, with
    the t interval over the runs.
    """
    runs = by_rule(frame).dropna(subset=selection)
    means = runs.groupby(PLACE).mean(skipna=False)
    gains = (runs["test-oracle"] - runs["val-best"]).groupby(PLACE)
    half = stats.t.ppf(UPPER, gains.count() - 1) * gains.sem()
    means = means.rename(columns=lambda rule: rule.replace("-", "_"))
    means = means.assign(
        oracle_gain=gains.mean(), ci_low=gains.mean() - half, ci_high=gains.mean() + half
    )
    labels = ["stand_in", "published_protocol"]
    measured = comparison.loc[comparison["n"] > 0, [*PLACE, "n", *labels]]
    return measured.merge(means, on=PLACE)[[*PLACE, "n", *means, *labels]]


def _lines(suite: str, evidence: Evidence, dataset: DatasetConfig) -> Iterator[dict[str, Any]]:
    cell = evidence.cell
    for run in evidence.done:
        shared = {
            "suite": suite,
            "dataset": cell.dataset,
            "fusion": cell.template.fusion,
            "row": cell.row.label,
            "seed": run.experiment.seed,
            "test_samples": run.data.get("sizes", {}).get("test"),
            "run_id": run.run_id,
            "stand_in": run.stand_in,
            "published_protocol": is_published([run]),
        }
        for rule in RULES:
            epoch = choose(rule, run.history) if run.history else {"epoch": None, "test": {}}
            reported = {"selection": rule, "epoch": epoch["epoch"]}
            for metric in cell_metrics(cell, dataset):
                value = 100 * epoch["test"].get(metric, math.nan)
                yield {**shared, **reported, "metric": metric, "value": value}
