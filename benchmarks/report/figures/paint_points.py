"""Draws numbers at the reported epoch, one row per method, and accuracy against cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.layout import (
    Sizes,
    canvas,
    is_leftmost,
    labels,
    marker_style,
    row_handles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

ROW = 4.0  # millimetres per method
_BELOW = 0.36  # rows from a mean to its seeds: neither mark covers the other, whatever the numbers
_MEAN: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "zorder": 4}
_SEED: dict[str, Any] = {"linestyle": "none", "markersize": 3.2, "alpha": 0.45, "zorder": 3}
_PAPER: dict[str, Any] = {
    "linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 1.2,
    "color": "black", "zorder": 5,
}  # fmt: skip
_SPREAD: dict[str, Any] = {"linewidth": 1.3, "zorder": 2.5}


def paint_gains(figure: Figure) -> Drawing:
    """Gains with their spread, a line at zero; one range for all panels."""
    page, all_axes = _rows(figure, [_glyph("mean", "o"), *_common_glyphs(figure)])
    ends = [x for p in figure.points for x in (p.mean, p.low, p.high, p.paper, 0.0)]
    known = [x for x in ends if not math.isnan(x)]
    air = 0.05 * (max(known) - min(known)) + 0.1
    for panel, axes in all_axes:
        axes.axvline(0, color="#555555", linewidth=0.8, zorder=2)
        axes.set_xlim(min(known) - air, max(known) + air)
        axes.set_xlabel("Relative gain (%)", labelpad=2)
        _marks(axes, figure, [point for (point,) in figure.at(panel).values()])
    return page


def paint_seeds(figure: Figure) -> Drawing:
    """Every run as a point beside mean, spread and the paper's value."""
    glyphs = [_glyph("one seed", "o", alpha=0.45, markersize=3.2), _glyph("mean", "o")]
    page, all_axes = _rows(figure, [*glyphs, *_common_glyphs(figure)])
    for panel, axes in all_axes:
        axes.set_xlabel("Test accuracy (%)", labelpad=2)
        axes.margins(x=0.06)
        found = figure.at(panel)
        for row, points in found.items():
            place = [figure.rows.index(row) + _BELOW] * len(points)
            style = marker_style(figure.looks[row])
            axes.plot([p.accuracy for p in points], place, **style, **_SEED)
        _marks(axes, figure, [points[0] for points in found.values()])
    return page


def paint_costs(figure: Figure) -> Drawing:
    """Accuracy over cost; each dataset has its own range, as datasets are not compared here."""
    from matplotlib.ticker import MaxNLocator

    handles = row_handles(figure, lines=False)
    page, all_axes = canvas(figure, Sizes(gap=9.0), handles)
    reach = max(max(p.cost, 0 if math.isnan(p.cost_high) else p.cost_high) for p in figure.points)
    for panel, axes in all_axes:
        axes.axvline(1, color="#555555", linewidth=0.8, zorder=2)
        axes.set_xlim(0, 1.08 * reach)
        axes.set_xlabel("Relative time per epoch", labelpad=2)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.margins(y=0.08)
        if is_leftmost(figure, panel):
            axes.set_ylabel("Fused test accuracy (%)")
        for row, points in figure.at(panel).items():
            for point in points:
                look = figure.looks[row]
                axes.plot([point.cost] * 2, [point.low, point.high], color=look.colour, **_SPREAD)
                ends = [point.cost_low, point.cost_high]
                axes.plot(ends, [point.accuracy] * 2, color=look.colour, **_SPREAD)
                axes.plot([point.cost], [point.accuracy], **marker_style(look), **_MEAN)
    return page


def _rows(figure: Figure, handles: Sequence[Line2D]) -> tuple[Drawing, list[Any]]:
    """Axes with a line per row of the figure, the first on top, named in the first panel."""
    from matplotlib.ticker import MaxNLocator

    names = labels(figure)
    sizes = Sizes(height=max(14.0, ROW * len(names) + 4), left=31.0, gap=4.0, entry=42.0)
    page, all_axes = canvas(figure, sizes, handles)
    for panel, axes in all_axes:
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), names if is_leftmost(figure, panel) else [])
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    return page, all_axes


def _marks(axes: Axes, figure: Figure, points: Sequence[Any]) -> None:
    """Mean, spread and the paper's value of every row."""
    places = [figure.rows.index(p.row) for p in points]
    colours = [figure.looks[p.row].colour for p in points]
    spread = [p for p in zip(places, points, colours, strict=True) if not math.isnan(p[1].low)]
    if spread:
        heights, ends, shades = zip(*spread, strict=True)
        low, high = [p.low for p in ends], [p.high for p in ends]
        axes.hlines(heights, low, high, colors=shades, **_SPREAD)
    for place, point in zip(places, points, strict=True):
        axes.plot([point.mean], [place], **marker_style(figure.looks[point.row]), **_MEAN)
    axes.plot([p.paper for p in points], places, **_PAPER)


def _common_glyphs(figure: Figure) -> list[Line2D]:
    from matplotlib.lines import Line2D

    kinds = [kind for kind in dict.fromkeys(p.spread for p in figure.points) if kind != "none"]
    known = any(not math.isnan(p.paper) for p in figure.points)
    spreads = [Line2D([], [], label=", ".join(kinds), color="#777777", linewidth=1.3)]
    return spreads * bool(kinds) + [Line2D([], [], label="paper", **_PAPER)] * known


def _glyph(label: str, marker: str, **style: Any) -> Line2D:
    from matplotlib.lines import Line2D

    defaults = {"linestyle": "none", "color": "#777777", "markersize": 4.5}
    return Line2D([], [], label=label, marker=marker, **{**defaults, **style})
