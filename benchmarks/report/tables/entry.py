"""One number of a table: what we measured for a cell and a metric beside what the paper prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import Cell, make_experiment
from benchmarks.records.evidence import DONE, NO_RECORD, NOT_RUN, Evidence
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report import statistics
from benchmarks.report.metrics import PLACE, by_rule, cell_metrics
from benchmarks.report.tables.paper import column_name, load_paper
from benchmarks.report.tables.verdict import Facts, judge
from benchmarks.report.wording import is_published
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

NOT_MEASURED = "not measured"
NOT_STARTED_STATES = (NOT_RUN, NO_RECORD)
PAPER_PROFILE = "paper"  # the profile that trains as the paper did


@dataclass(frozen=True)
class Entry:
    """All numbers are percent. `runs` are the done runs that count, `values` theirs.

    `state` is `done`, `not run`, `no record yet`, `not measured`, or what became of the runs where
    none is done, such as `diverged`; `reason` says why, also of single runs of a done cell.
    `oracle_gains` says per run how much higher the test accuracy is at the epoch chosen on the test
    data than at the one chosen on the validation data. `departures` says where the training is not
    the paper's.
    """

    cell: Cell
    metric: str
    paper: float  # NaN where the paper prints none
    state: str
    reason: str = ""
    runs: tuple[RunRecord, ...] = ()
    values: tuple[float, ...] = ()
    oracle_gains: tuple[float, ...] = ()
    stand_in: bool = False
    mixed: bool = False  # the runs saw different preparations of the data
    departures: tuple[str, ...] = ()
    verdict: str = ""

    @property
    def row(self) -> str:
        """The label of the table's row."""
        return self.cell.row.label

    @property
    def column(self) -> str:
        """The name of the table's column."""
        return column_name(self.cell.dataset, self.metric)

    @property
    def label_noise(self) -> int:
        """Percent of the training labels that are wrong: more is another task."""
        return self.cell.template.data.get(LABEL_NOISE, 0)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of `values`."""
        return tuple(run.experiment.seed for run in self.runs)

    @cached_property
    def mean(self) -> float:
        """Mean over the seeds, NaN without any."""
        return statistics.mean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation over the seeds, NaN for fewer than two."""
        return statistics.sd(self.values)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % t interval of the mean over the seeds, NaN for fewer than two."""
        return statistics.t_interval(self.values)

    @property
    def difference(self) -> float:
        """Ours minus the paper's; NaN where either is missing, and for stand-in data."""
        return math.nan if self.stand_in else self.mean - self.paper

    @property
    def started(self) -> bool:
        """True if a run was made, also if none is done."""
        return self.state not in NOT_STARTED_STATES

    @property
    def measured(self) -> bool:
        """True when at least one run counts."""
        return bool(self.values)

    @property
    def test_samples(self) -> int | None:
        """Independent test samples behind each value, clips and not segments; None if not said."""
        return _test_samples(self.runs)

    @cached_property
    def test_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the mean for the finite test set; NaN where it is unknown."""
        return statistics.test_set_interval(self.values, self.test_samples)

    @property
    def published_protocol(self) -> bool:
        """True if a run chose its epoch on the samples that it reports, as published code does."""
        return is_published(self.runs)


def make_entries(
    config: Config, suite: str, found: Sequence[Evidence], metrics: pd.DataFrame
) -> dict[str, list[Entry]]:
    """The judged entries of a suite under each selection rule: one per cell and metric.

    `found` is the evidence of its cells, `metrics` the tidy frame with the values of their runs.
    Only `done` runs count; `state` and `reason` say what became of the others.
    """
    values = by_rule(metrics[metrics["suite"] == suite])
    by_place = dict(list(values.groupby(PLACE)))
    paper = load_paper(suite)
    places = [
        _Place(
            evidence,
            metric,
            paper.get((cell.row.label, column_name(cell.dataset, metric)), math.nan),
            departures,
            by_place.get((suite, cell.row.label, cell.dataset, metric), values.iloc[:0]),
        )
        for evidence in found
        for cell, departures in [(evidence.cell, _departures_of(config, evidence.cell))]
        for metric in cell_metrics(cell, config.datasets[cell.dataset])
    ]
    return {rule: [place.entry(rule) for place in places] for rule in RULES}


@dataclass(frozen=True)
class _Place:
    """What the entry of a cell and a metric is made from, under every rule.

    `values` has a line per run and a column per rule.
    """

    evidence: Evidence
    metric: str
    paper: float
    departures: tuple[str, ...]
    values: pd.DataFrame

    def entry(self, rule: str) -> Entry:
        """The judged entry at the epochs that `rule` reports."""
        evidence, has_value = self.evidence, self.values[rule].notna()
        counted, lacking = self.values[has_value], self.values[~has_value]
        by_id = {record.run_id: record for record in evidence.done}
        runs = tuple(by_id[name] for name in counted.index.get_level_values("run_id"))
        values = tuple(counted[rule].tolist())
        notes = evidence.notes()
        if len(lacking):
            seeds = ", ".join(map(str, lacking.index.get_level_values("seed")))
            notes.append(f"no {self.metric} in the record (seed {seeds})")
        state = NOT_MEASURED if evidence.state == DONE and not values else evidence.state
        facts = Facts(
            values=values,
            paper=self.paper,
            test_samples=_test_samples(runs),
            started=state not in NOT_STARTED_STATES,
            departs=bool(self.departures),
            stand_in=evidence.stand_in,
            mixed=len(evidence.fingerprints) > 1,
            lost=evidence.lost,
        )
        return Entry(
            cell=evidence.cell,
            metric=self.metric,
            paper=self.paper,
            state=state,
            reason="; ".join(notes),
            runs=runs,
            values=values,
            oracle_gains=tuple((counted["test-oracle"] - counted["val-best"]).tolist()),
            stand_in=facts.stand_in,
            mixed=facts.mixed,
            departures=self.departures,
            verdict=judge(facts),
        )


def _test_samples(runs: Iterable[RunRecord]) -> int | None:
    sizes = [run.data.get("sizes", {}).get("test") for run in runs]
    return min(sizes) if sizes and None not in sizes else None


# No part of the schedule. The paper does not say what it validated on: a run under the published
# protocol is labelled, and compared.
_FREE = {"seed", "data.fingerprint", "data.stand_in", "data.protocol"}


def departures(ours: Experiment, papers: Experiment) -> list[str]:
    """Where our training differs from the paper's: `epochs 2 (paper: 100)`, `optim.lr ...`."""
    mine, theirs = _flat(ours.to_dict()), _flat(papers.to_dict())
    return [
        f"{key} {mine.get(key, 'unset')} (paper: {theirs.get(key, 'unset')})"
        for key in {**theirs, **mine}
        if key not in _FREE and mine.get(key) != theirs.get(key)
    ]


def _departures_of(config: Config, cell: Cell) -> tuple[str, ...]:
    """Where the cell's training is not what the paper profile would do."""
    ours = cell.template
    papers = make_experiment(
        config,
        lookup("profile", PAPER_PROFILE, config.profiles),
        dataset=ours.dataset,
        fusion=ours.fusion,
        method=ours.method,
        modalities=ours.modalities,
        changes=cell.row.changes,
    )
    return tuple(departures(ours, papers))


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by their path: {"optim": {"lr": 0.1}} gives {"optim.lr": 0.1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = value if isinstance(value, dict) else None
        flat |= {key: value} if nested is None else {f"{key}.{k}": v for k, v in nested.items()}
    return {key: value for key, value in flat.items() if value is not None}
