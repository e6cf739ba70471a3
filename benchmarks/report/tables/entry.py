"""One number of a report: what we measured for a cell and a metric beside what the paper says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.plan.suites import Cell
from benchmarks.records.record import RunRecord
from benchmarks.report import statistics
from benchmarks.report.tables.paper import column_name
from benchmarks.report.wording import is_published
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Entry:
    """All numbers are percent. `runs` are the done runs that count, `values` theirs.

    `state` is `done`, `not run`, `no record yet`, `not measured`, or what became of the runs where
    none is done, such as `diverged`; `reason` says why, also of single runs of a done cell.
    """

    cell: Cell
    metric: str
    paper: float  # NaN where the paper prints none
    state: str
    reason: str = ""
    runs: tuple[RunRecord, ...] = ()
    values: tuple[float, ...] = ()
    policies: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    stand_in: bool = False
    lost: bool = False  # some runs were started and diverged or failed
    mixed: bool = False  # the runs saw different preparations of the data
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

    @property
    def mean(self) -> float:
        """Mean over the seeds, NaN without any."""
        return statistics.mean(self.values)

    @property
    def sd(self) -> float:
        """Standard deviation over the seeds, NaN for fewer than two."""
        return statistics.sd(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t interval of the mean over the seeds, NaN for fewer than two."""
        return statistics.t_interval(self.values)

    @property
    def difference(self) -> float:
        """Ours minus the paper's; NaN where either is missing, and for stand-in data."""
        return math.nan if self.stand_in else self.mean - self.paper

    @property
    def measured(self) -> bool:
        """True when at least one run counts."""
        return bool(self.values)

    @property
    def test_samples(self) -> int | None:
        """Independent test samples behind each value, clips and not segments; None if not said."""
        sizes = [run.data.get("sizes", {}).get("test") for run in self.runs]
        return min(sizes) if sizes and None not in sizes else None

    @property
    def test_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the mean for the finite test set; NaN where it is unknown."""
        if not self.test_samples:
            return math.nan, math.nan
        low, high = statistics.wilson_interval(self.mean / 100, self.test_samples)
        return 100 * low, 100 * high

    @property
    def test_error(self) -> float:
        """Half the width of `test_interval`."""
        low, high = self.test_interval
        return (high - low) / 2

    @property
    def oracle_gains(self) -> tuple[float, ...]:
        """Per run: how much higher the test accuracy is at the epoch chosen on the test data."""
        chosen = (self.policies.get(rule, ()) for rule in ("test-oracle", "val-best"))
        return tuple(oracle - val for oracle, val in zip(*chosen, strict=True))

    @property
    def published_protocol(self) -> bool:
        """True if a run chose its epoch on the samples that it reports, as published code does."""
        return is_published(self.runs)
