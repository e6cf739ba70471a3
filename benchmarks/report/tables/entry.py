"""One number of a table: what we measured for a cell and a metric beside what the paper prints."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import Cell, make_experiment
from benchmarks.records.evidence import DONE, NO_RECORD, NOT_RUN, Evidence, Finding, seeds_text
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report import statistics
from benchmarks.report.metrics import by_rule, cell_metrics
from benchmarks.report.rules.cell import Judgement
from benchmarks.report.tables.paper import PAPER_PROFILE, PaperTable, column_name, test_sets
from benchmarks.report.tables.verdict import NOT_STARTED, Facts, judge
from benchmarks.report.wording import is_published
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

NOT_MEASURED = "not measured"
NOT_STARTED_STATES = (NOT_RUN, NO_RECORD)
NOT_JUDGED = Judgement(NOT_STARTED)


@dataclass(frozen=True)
class Entry:
    """All numbers are percent. `runs` are the done runs that count, `values` theirs.

    `state` is `done`, `not run`, `no record yet`, `not measured`, or what became of the runs where
    none is done, such as `diverged`; `reason` says why, also of single runs of a done cell.
    `oracle_gains` says per run how much higher the test accuracy is at the epoch chosen on the test
    data than at the one chosen on the validation data. `departures` says where the training is not
    the paper's. `doubts` says why the runs cannot be trusted. Verdict and tests are made from the
    `planned` seeds alone, the first ones.
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
    doubts: tuple[Finding, ...] = ()
    planned: int = 0
    judgement: Judgement = NOT_JUDGED

    @property
    def verdict(self) -> str:
        """The word that the table shows."""
        return self.judgement.verdict

    @property
    def planned_runs(self) -> tuple[RunRecord, ...]:
        """The runs of the planned seeds."""
        return tuple(run for run in self.runs if run.experiment.seed < self.planned)

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
    def contest(self) -> tuple[int, str]:
        """Label noise and fusion: rows of a column are compared only where both are the same."""
        return self.label_noise, self.cell.template.fusion

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
        """True if a run was made, also if none is done or its record was refused."""
        return self.state not in NOT_STARTED_STATES or bool(self.doubts)

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


@dataclass(frozen=True)
class Judged:
    """What the entries of a suite are judged by: the printed numbers and the planned seeds."""

    suite: str
    printed: PaperTable
    seeds: int


def make_entries(
    config: Config, by: Judged, found: Sequence[Evidence], metrics: pd.DataFrame
) -> dict[str, list[Entry]]:
    """The judged entries of a suite under each selection rule: one per cell and metric.

    `found` is the evidence of its cells, `metrics` the tidy frame with the values of their runs.
    Only `done` runs count; `state` and `reason` say what became of the others.
    """
    values = _values_by_place(metrics, by.suite)
    places = []
    for evidence in found:
        cell, departures = evidence.cell, _departures_of(config, evidence.cell)
        for metric in cell_metrics(cell, config.datasets[cell.dataset]):
            measured = values[by.suite, cell.row.label, cell.dataset, metric]
            runs = (_Run(r, measured[r.run_id]) for r in evidence.done if r.run_id in measured)
            place = cell.row.label, column_name(cell.dataset, metric)
            printed = by.printed.get(place, math.nan)
            places.append(_Place(evidence, metric, printed, departures, by.seeds, tuple(runs)))
    return {rule: [place.entry(rule) for place in places] for rule in RULES}


@dataclass(frozen=True)
class _Run:
    """A done run, and its value of one metric under every rule; NaN where it has none."""

    record: RunRecord
    values: Mapping[str, float]

    @property
    def seed(self) -> int:
        return self.record.experiment.seed

    def has(self, rule: str) -> bool:
        return not math.isnan(self.values[rule])


@dataclass(frozen=True)
class _Place:
    """What the entry of a cell and a metric is made from, under every rule."""

    evidence: Evidence
    metric: str
    paper: float
    departures: tuple[str, ...]
    planned: int
    runs: tuple[_Run, ...]

    def entry(self, rule: str) -> Entry:
        """The judged entry at the epochs that `rule` reports."""
        evidence = self.evidence
        counted = [run for run in self.runs if run.has(rule)]
        lacking = [run for run in self.runs if run not in counted]
        records = tuple(run.record for run in counted)
        state = NOT_MEASURED if evidence.state == DONE and not counted else evidence.state
        notes = evidence.notes()
        if lacking:
            seeds = ", ".join(str(run.seed) for run in lacking)
            notes.append(f"no {self.metric} in the record (seed {seeds})")
        notes += self._plan_notes(counted)
        stand_in, mixed = evidence.stand_in, len(evidence.fingerprints) > 1
        judged = [run for run in counted if run.seed < self.planned and run.has("test-oracle")]
        test_samples = _test_samples(records) or 1
        facts = Facts(
            values=tuple(run.values[rule] for run in judged),
            oracle=tuple(run.values["test-oracle"] for run in judged),
            paper=self.paper,
            paper_samples=test_sets().get(evidence.cell.dataset, test_samples),
            test_samples=test_samples,
            planned=self.planned,
            findings=frozenset(finding.kind for finding in evidence.findings),
            started=state not in NOT_STARTED_STATES,
            departs=bool(self.departures),
            stand_in=stand_in,
            mixed=mixed,
            lost=evidence.lost,
        )
        return Entry(
            cell=evidence.cell,
            metric=self.metric,
            paper=self.paper,
            state=state,
            reason="; ".join(notes),
            runs=records,
            values=tuple(run.values[rule] for run in counted),
            oracle_gains=tuple(
                run.values["test-oracle"] - run.values["val-best"] for run in counted
            ),
            stand_in=stand_in,
            mixed=mixed,
            departures=self.departures,
            doubts=evidence.findings,
            planned=self.planned,
            judgement=judge(facts),
        )

    def _plan_notes(self, counted: Sequence[_Run]) -> list[str]:
        """Planned seeds that are missing, and others that no verdict is made from."""
        others = [run.seed for run in counted if run.seed >= self.planned]
        there = len(counted) - len(others)
        notes = []
        if 0 < there < self.planned:
            notes.append(f"{there} of {self.planned} planned seeds")
        if others:
            notes.append(f"shown but not judged, as not planned: {seeds_text(others)}")
        return notes


def _values_by_place(metrics: pd.DataFrame, suite: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Under (suite, row, dataset, metric): the values under every rule, by run id."""
    frame = by_rule(metrics[metrics["suite"] == suite])
    found: dict[tuple[str, ...], dict[str, Any]] = defaultdict(dict)
    for index, *values in frame.itertuples():
        *place, _, run_id = index
        found[tuple(place)][run_id] = dict(zip(frame.columns, values, strict=True))
    return found


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
