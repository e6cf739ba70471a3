"""Curves over epochs: overfitting gap, accuracy, contributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.records.evidence import Evidence
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.layout import Sizes, canvas, is_leftmost, line_style, row_handles
from benchmarks.report.figures.spread import T_INTERVAL, spreads
from benchmarks.report.figures.style import Look
from benchmarks.report.wording import is_published

EpochEntry = Mapping[str, Any]  # of a record's history
Reading = Callable[[EpochEntry, str], float | None]


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


def overfitting_gap(entry: EpochEntry, output: str) -> float | None:
    """tau = |train - test| / test of the accuracy, Eq. 1; None where the test accuracy is 0.

    The train accuracy is the online mean over the epoch's batches: of weights that still change,
    in training mode. Records have no other.
    """
    train, test = (entry.get(part, {}).get(f"acc_{output}") for part in ("train", "test"))
    return abs(train - test) / test if train is not None and test else None


def test_accuracy(entry: EpochEntry, output: str) -> float | None:
    """The test accuracy in percent."""
    fraction = entry["test"].get(f"acc_{output}")
    return None if fraction is None else 100 * fraction


def contribution(entry: EpochEntry, output: str) -> float | None:
    """nu_m of Eq. 20, the mean over the epoch's batches, for methods that report it."""
    return entry.get("train", {}).get(f"contribution_{output}")


def curve(suite: str, found: Evidence, output: str, reading: Reading) -> list[CurvePoint]:
    """One row's points; none where no run has the number. Runs may differ in length."""
    runs, cell = counted(found), found.cell
    values = [[_number(reading(e, output)) for e in run.history] for run in runs]
    labels = found.stand_in, is_published(runs)
    return [
        CurvePoint(
            suite, cell.dataset, output, cell.row.label, epoch, len(values),
            s.n, s.mean, s.low, s.high, s.kind, *labels,
        )
        for epoch, s in enumerate(spreads(values), 1)
        if s.n
    ]  # fmt: skip


def counted(found: Evidence) -> list[RunRecord]:
    """The runs of a cell on all modalities that count; a Single row is no method."""
    return [] if found.cell.row.modalities else [run for run in found.done if run.history]


def caption(points: Sequence[CurvePoint]) -> str:
    """How to read mean, band and ends of these curves."""
    kinds = {p.spread for p in points}
    bands = [
        "bands show the 95 % t interval of the mean" * (T_INTERVAL in kinds),
        "bands of two runs show their range" * ("min to max" in kinds),
    ]
    text = ["Lines are means over runs with different seeds (their number in brackets)"]
    sentences = "; ".join(text + [band for band in bands if band]) + "."
    if any(p.n < p.runs for p in points):
        sentences += " A line is pale and without a band from where not all of its runs go on."
    return sentences


def _number(value: float | None) -> float:
    return math.nan if value is None else value


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

MARKS = 5  # markers on a line
BAND_POINTS = 2500  # of all bands together, so that the SVG stays small; lines have every epoch
_PALE = 0.35

Limits = tuple[float, float]


@dataclass(frozen=True)
class Painter:
    """Draws each panel's curves; all panels share the vertical range that `limits` finds."""

    label: str  # of the vertical axis
    limits: Callable[[Sequence[CurvePoint]], Limits]
    height: float = 45.0  # of a panel, in millimetres

    def __call__(self, figure: Figure) -> Drawing:
        page, all_axes = canvas(figure, Sizes(height=self.height), row_handles(figure))
        vertical = self.limits(figure.points)
        last = max(point.epoch for point in figure.points)
        every = math.ceil(len(figure.points) / BAND_POINTS)
        for panel, axes in all_axes:
            for row, points in figure.at(panel).items():
                _draw(axes, points, figure.looks[row], every)
            _frame(axes, last, vertical)
            if is_leftmost(figure, panel):
                axes.set_ylabel(self.label)
            else:
                axes.tick_params(labelleft=False)
        return page


def around(points: Sequence[CurvePoint]) -> Limits:
    """A range in percent that holds every mean, with some air."""
    low, high = min(p.mean for p in points), max(p.mean for p in points)
    air = 0.05 * (high - low) + 0.5
    return max(0.0, low - air), min(100.0, high + air)


def from_zero(points: Sequence[CurvePoint]) -> Limits:
    """From 0 to the highest mean after the first tenth of the epochs, which can lie far above."""
    last = max(p.epoch for p in points)
    return 0.0, 1.08 * max(p.mean for p in points if p.epoch > last // 10) + 0.005


def unit(points: Sequence[CurvePoint]) -> Limits:
    """From 0 to 1."""
    return 0.0, 1.0


def _draw(axes: Axes, points: Sequence[CurvePoint], look: Look, every: int) -> None:
    """The line, and its band at each `every`-th epoch."""
    whole = [p for p in points if p.n == p.runs]
    partial = [p for p in points if p.n < p.runs]
    style = {**line_style(look), "zorder": 2 + look.order / 100}
    step = max(1, math.ceil(len(points) / MARKS))
    marks = (look.order % step, step)  # shifted by row: lines that meet stay readable
    axes.plot([p.epoch for p in whole], [p.mean for p in whole], markevery=marks, **style)
    banded = [p for p in whole if not math.isnan(p.low)]
    banded = banded[::-every]  # from the end, where the line must not outrun its band
    if banded:
        x, low, high = ([getattr(p, k) for p in banded] for k in ("epoch", "low", "high"))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.1, linewidth=0, zorder=1.5)
    if partial:
        tail = whole[-1:] + partial
        heights = [p.mean for p in tail]
        axes.plot([p.epoch for p in tail], heights, markevery=marks, alpha=_PALE, **style)


def _frame(axes: Axes, last: int, vertical: Limits) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 - 0.02 * last, last + 0.02 * last)
    axes.set_ylim(*vertical)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("Epoch", labelpad=2)
