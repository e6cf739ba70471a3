"""Curves over epochs, for the figures that show some: their points, caption, and drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.records.evidence import Evidence
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure, Look, Panel
from benchmarks.report.figures.material import RANGE, T_INTERVAL, Material, spreads
from benchmarks.report.figures.style import Sizes, canvas, line_style, row_handles
from benchmarks.report.wording import is_published

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

EpochEntry = Mapping[str, Any]  # of a record's history
Reading = Callable[[EpochEntry, str], float | None]  # a number of one epoch and output
MARKS = 5  # markers on a line
BAND_POINTS = 2500  # of all bands together, so that files stay small; lines have every epoch
_PALE = 0.35


@dataclass(frozen=True)
class CurvePoint:
    """Mean over the `n` of a cell's `runs` that reached this epoch and have this number."""

    suite: str
    dataset: str
    output: str  # `mm` or a modality
    row: str
    epoch: int
    runs: int
    n: int
    mean: float
    low: float
    high: float
    spread: str
    stand_in: bool
    published_protocol: bool


def curve_points(material: Material, panels: Sequence[Panel], reading: Reading) -> list[CurvePoint]:
    """The points of every row, panel by panel; a row has none if its runs lack the number."""
    return [
        point
        for panel in panels
        for found in material.found
        if found.cell.dataset == panel.dataset
        for point in _curve(material.suite, found, panel.output, reading)
    ]


def _curve(suite: str, found: Evidence, output: str, reading: Reading) -> list[CurvePoint]:
    """One row's points in one panel. Runs may differ in length."""
    runs = _runs(found)
    values = [[_number(reading(epoch, output)) for epoch in run.history] for run in runs]
    return [
        CurvePoint(
            suite=suite,
            dataset=found.cell.dataset,
            output=output,
            row=found.cell.row.label,
            epoch=epoch,
            runs=len(values),
            n=s.n,
            mean=s.mean,
            low=s.low,
            high=s.high,
            spread=s.kind,
            stand_in=found.stand_in,
            published_protocol=is_published(runs),
        )
        for epoch, s in enumerate(spreads(values), 1)
        if s.n
    ]


def _runs(found: Evidence) -> list[RunRecord]:
    """The finished runs of a cell; none of a Single row, which is not a method."""
    return [] if found.cell.row.modalities else [run for run in found.done if run.history]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def caption(points: Sequence[CurvePoint], most_bands: int = 99) -> str:
    """How to read the means, bands and ends of these curves."""
    banded = len({p.row for p in points}) <= most_bands
    kinds = {p.spread for p in points if banded}
    parts = ["Lines are means over runs with different seeds (their number in brackets)"]
    if T_INTERVAL in kinds:
        parts.append("bands show the 95 % t interval of the mean")
    if RANGE in kinds:
        parts.append("bands of two runs show their range")
    text = "; ".join(parts) + "."
    if any(p.n < p.runs for p in points):
        text += " A line is pale and has no band where some of its runs have ended."
    return text


@dataclass(frozen=True)
class Limits:
    """A vertical range, of one panel or of all panels of a figure."""

    low: float
    high: float


def around(points: Sequence[CurvePoint]) -> Limits:
    """A range in percent that holds every mean, with some air."""
    low, high = min(p.mean for p in points), max(p.mean for p in points)
    air = 0.05 * (high - low) + 0.5
    return Limits(max(0.0, low - air), min(100.0, high + air))


def from_zero(points: Sequence[CurvePoint]) -> Limits:
    """From 0 to the highest mean after the first tenth of the epochs, which can lie far above."""
    last = max(p.epoch for p in points)
    return Limits(0.0, 1.08 * max(p.mean for p in points if p.epoch > last // 10) + 0.005)


def unit(points: Sequence[CurvePoint]) -> Limits:
    """From 0 to 1."""
    return Limits(0.0, 1.0)


@dataclass(frozen=True)
class CurvePainter:
    """Draws each panel's curves in the vertical range that `limits` finds."""

    label: str  # of the vertical axis
    limits: Callable[[Sequence[CurvePoint]], Limits]
    height: float = 45.0  # of a panel, in millimetres
    own_range: bool = False  # each panel has its own vertical range
    most_bands: int = 99  # with more rows in a panel, bands would hide each other

    def __call__(self, figure: Figure) -> Drawing:
        sizes = Sizes(height=self.height, gap=9.0 if self.own_range else 6.0)
        drawn = canvas(figure, sizes, row_handles(figure))
        shared = self.limits(figure.points)
        last = max(point.epoch for point in figure.points)
        every = math.ceil(len(figure.points) / BAND_POINTS)
        for panel, axes in drawn.panels:
            found = figure.at(panel)
            banded = len(found) <= self.most_bands
            for row, points in found.items():
                _draw(axes, points, figure.looks[row], every if banded else 0)
            shown = [point for points in found.values() for point in points]
            _frame(axes, last, self.limits(shown) if self.own_range else shared)
            if figure.is_leftmost(panel):
                axes.set_ylabel(self.label)
            elif not self.own_range:
                axes.tick_params(labelleft=False)
        return drawn.page


def _draw(axes: Axes, points: Sequence[CurvePoint], look: Look, every: int) -> None:
    """The line, and its band at each `every`-th epoch; 0 means no band."""
    whole = [p for p in points if p.n == p.runs]
    partial = [p for p in points if p.n < p.runs]
    style = {**line_style(look), "zorder": 2 + look.order / 100}
    step = max(1, math.ceil(len(points) / MARKS))
    marks = (look.order % step, step)  # shifted by row: lines that meet stay readable
    axes.plot([p.epoch for p in whole], [p.mean for p in whole], markevery=marks, **style)
    banded = [p for p in whole if every and not math.isnan(p.low)]
    banded = banded[::-1][:: max(1, every)]  # from the end: the line must not outrun its band
    if banded:
        x, low, high = ([getattr(p, k) for p in banded] for k in ("epoch", "low", "high"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.1, linewidth=0, zorder=1.5)
    if partial:
        tail = whole[-1:] + partial
        heights = [p.mean for p in tail]
        axes.plot([p.epoch for p in tail], heights, markevery=marks, alpha=_PALE, **style)


def _frame(axes: Axes, last: int, limits: Limits) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 - 0.02 * last, last + 0.02 * last)
    axes.set_ylim(limits.low, limits.high)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("Epoch", labelpad=2)
