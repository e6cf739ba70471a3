"""Draws curves over epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.report.figures.curves import CurvePoint
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.layout import Sizes, canvas, is_leftmost, line_style, row_handles
from benchmarks.report.figures.palette import Look

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
