"""What figures are made of: the runs of one suite, their numbers, and the spread over runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import Evidence, evidence_of
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report.figures.figure import Figure, Look, Panel
from benchmarks.report.figures.style import looks
from benchmarks.report.metrics import metrics_frame
from benchmarks.report.statistics import CONFIDENCE
from benchmarks.report.tables.entry import Entry, Judged, make_entries
from benchmarks.report.tables.paper import load_paper
from benchmarks.report.wording import published_warning

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

T_INTERVAL, RANGE, NO_SPREAD = "95 % t interval", "min to max", "none"
DECIMALS = 4  # of every number that is written and drawn


@dataclass(frozen=True)
class Material:
    """The runs of a suite's cells, and their numbers at the reported epoch (`entries`)."""

    config: Config
    profile_name: str
    suite: str
    selection: str
    looks: Mapping[str, Look]
    found: Sequence[Evidence]
    entries: Sequence[Entry]

    @property
    def datasets(self) -> list[str]:
        """The datasets of the cells, in column order."""
        present = {found.cell.dataset for found in self.found}
        return [dataset for dataset in self.config.datasets if dataset in present]

    def label(self, dataset: str) -> str:
        """The dataset's name as the tables print it."""
        return self.config.datasets[dataset].label

    def outputs(self, dataset: str) -> list[Panel]:
        """A panel for each modality of the dataset, then one for the fused output."""
        names = (*self.config.datasets[dataset].modalities, "mm")
        return [Panel(dataset, name) for name in names]

    def fused(self) -> list[Panel]:
        """A panel for the fused output of each dataset."""
        return [Panel(dataset, "mm") for dataset in self.datasets]

    def figure(
        self,
        *,
        name: str,
        title: str,
        caption: str,
        points: Sequence[Any],
        grid: Sequence[Sequence[Panel | None]],
        paint: Callable[[Figure], Drawing],
        lacking: str,
    ) -> Figure:
        """A figure of this suite, with the panels of `grid` that have points.

        `lacking` says what the finished runs lack if there are some, but no points.
        """
        fusion = self.config.suites[self.suite].fusion
        about = self.config.profiles[self.profile_name].about
        profile = f"Profile: {self.profile_name} ({about})."
        return Figure(
            name=f"{name}_{self.suite}",
            title=f"{title}, {fusion} fusion",
            caption=" ".join([*warnings(self.config, points), caption, profile]),
            points=tuple(points),
            grid=self._shown(grid, {(p.dataset, p.output) for p in points}),
            looks=self.looks,
            paint=paint,
            absent=self._absent({p.dataset for line in grid for p in line if p}, lacking),
        )

    def _shown(
        self, grid: Sequence[Sequence[Panel | None]], present: set[tuple[str, str]]
    ) -> list[list[Panel | None]]:
        """The panels that have points, titled; empty lines and columns are left out."""
        several = len({output for _, output in present}) > 1

        def shown(panel: Panel | None) -> Panel | None:
            if panel is None or (panel.dataset, panel.output) not in present:
                return None
            name = "fused" if panel.output == "mm" else panel.output
            title = self.label(panel.dataset) + (f", {name}" if several else "")
            return replace(panel, title=title)

        lines = [[shown(panel) for panel in line] for line in grid]
        columns = [column for column in zip_longest(*filter(any, lines)) if any(column)]
        return [list(line) for line in zip(*columns, strict=True)]

    def _absent(self, datasets: set[str], lacking: str) -> str:
        concerned = [f for f in self.found if f.cell.dataset in datasets]
        if any(f.done for f in concerned):
            return lacking
        reasons = dict.fromkeys(f.cell.reason or f.state for f in concerned)
        return f"no finished run ({', '.join(reasons)})"


def gather(
    *,
    config: Config,
    profile_name: str,
    suite: str,
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    selection: str,
) -> Material:
    """The material of a suite; ValueError for an unknown suite or selection rule."""
    lookup("suite", suite, config.suites)
    lookup("selection rule", selection, RULES)
    found = evidence_of(cells, records)
    metrics, seeds = metrics_frame(config, {suite: found}), config.profiles[profile_name].seeds
    judged = Judged(suite, load_paper(suite), seeds)
    entries = make_entries(config, judged, found, metrics)[selection]
    return Material(config, profile_name, suite, selection, looks(config), found, entries)


def warnings(config: Config, points: Sequence[Any]) -> list[str]:
    """What a caption must say first: which points are of generated data or chosen on test data."""
    names = dict.fromkeys(config.datasets[p.dataset].label for p in points if p.stand_in)
    listed = ", ".join(names)
    generated = [f"STAND-IN DATA ({listed}): generated, says nothing about the paper."]
    published = (p.dataset for p in points if p.published_protocol)
    return (generated if names else []) + published_warning(config, published)


@dataclass(frozen=True)
class Spread:
    """Mean over `n` runs; `low` and `high` are NaN for one run. `kind` says what they are."""

    n: int
    mean: float
    low: float
    high: float
    kind: str


def spread(values: Sequence[float]) -> Spread:
    """The spread of one number over runs."""
    return spreads([[value] for value in values])[0]


def spreads(values: Sequence[Sequence[float]]) -> list[Spread]:
    """The spread of each column of runs x points; runs may be shorter than others or have NaN.

    Student's interval of the mean from three runs on. For two runs it would be nine times their
    standard deviation wide, so they get their range.
    """
    table = np.full((len(values), max(map(len, values), default=0)), np.nan)
    for row, run in zip(table, values, strict=True):
        row[: len(run)] = run
    n = np.sum(~np.isnan(table), axis=0)
    filled = np.where(np.isnan(table), 0.0, table)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    deviations = np.where(np.isnan(table), 0.0, table - mean)
    sd = np.sqrt((deviations**2).sum(axis=0) / np.maximum(n - 1, 1))
    half = stdtrit(np.maximum(n - 1, 1), (1 + CONFIDENCE) / 2) * sd / np.sqrt(np.maximum(n, 1))
    half = np.where(n == 2, sd / math.sqrt(2), half)  # half the distance of two values
    rows = zip(n.tolist(), mean.tolist(), half.tolist(), strict=True)
    return [_spread(count, centre, width) for count, centre, width in rows]


def _spread(n: int, mean: float, half: float) -> Spread:
    if n == 0:
        return Spread(0, math.nan, math.nan, math.nan, NO_SPREAD)
    if n == 1:
        return Spread(1, round(mean, DECIMALS), math.nan, math.nan, NO_SPREAD)
    low, high = round(mean - half, DECIMALS), round(mean + half, DECIMALS)
    return Spread(n, round(mean, DECIMALS), low, high, RANGE if n == 2 else T_INTERVAL)
