"""Draws loss surfaces as contours with common levels, and the cut through their centre."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.layout import DOUBLE, MM, line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.figure import Figure as Drawing

CUT = "cut"
LEVELS = 16
COLUMNS = 4
_HEIGHT = 46.0  # millimetres of a line of panels
_FLOOR = 1e-4  # losses below it are one colour: the scale is logarithmic
_COLOURS = "cividis"  # its lightness rises evenly, so it is read in grey as well


def paint(figure: Figure) -> Drawing:
    """A panel of contours per row, then one with the cuts of all rows."""
    from matplotlib.figure import Figure as Page

    rows = figure.rows
    columns = min(len(rows) + 1, COLUMNS)
    lines = ceil((len(rows) + 1) / columns)
    page = Page(figsize=(DOUBLE * MM, lines * _HEIGHT * MM), layout="constrained")
    all_axes = list(page.subplots(lines, columns, squeeze=False).flat)
    levels = common_levels([point.loss for point in figure.points])
    for place, (row, axes) in enumerate(zip(rows, all_axes, strict=False)):
        drawn = _contours(axes, [p for p in figure.points if p.row == row], levels)
        axes.set_title(row, pad=3)
        axes.tick_params(labelleft=place % columns == 0)
        if place % columns == 0:
            axes.set_ylabel("y (filter norms)", labelpad=1)
    panels, cut, unused = all_axes[: len(rows)], all_axes[len(rows)], all_axes[len(rows) + 1 :]
    bar = page.colorbar(drawn, ax=panels, ticks=levels[::5], pad=0.01)
    bar.ax.set_yticklabels([f"{level:.3g}" for level in levels[::5]])
    bar.ax.minorticks_off()
    bar.ax.set_title("Loss", pad=3)
    _cuts(cut, figure)
    for axes in unused:
        axes.remove()
    return page


def common_levels(losses: Sequence[float]) -> np.ndarray:
    """Levels (16,) from the lowest to the highest loss of all panels, even in the logarithm."""
    low, high = max(min(losses), _FLOOR), max(max(losses), _FLOOR)
    return np.geomspace(low, max(high, 1.01 * low), LEVELS)


def _contours(axes: Axes, points: Sequence[Any], levels: np.ndarray) -> QuadContourSet:
    from matplotlib.colors import LogNorm

    axis = sorted({point.x for point in points})
    place = {value: k for k, value in enumerate(axis)}
    surface = np.full((len(axis), len(axis)), np.nan)
    for point in points:
        surface[place[point.y], place[point.x]] = np.clip(point.loss, levels[0], levels[-1])
    norm = LogNorm(levels[0], levels[-1])
    drawn = axes.contourf(axis, axis, surface, levels=levels, cmap=_COLOURS, norm=norm)
    axes.contour(axis, axis, surface, levels=levels, colors="white", linewidths=0.3)
    axes.plot([0], [0], marker="+", color="white", markersize=5, markeredgewidth=0.9)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_xlabel("x (filter norms)", labelpad=2)
    if any(point.stand_in for point in points):
        axes.text(
            0.5, 0.03, "stand-in data", transform=axes.transAxes, fontsize=6.5, color="white",
            ha="center",
        )  # fmt: skip
    return drawn


def _cuts(axes: Axes, figure: Figure) -> None:
    """The loss along x through the trained weights, one line per row."""
    for row in figure.rows:
        line = sorted((p.x, p.loss) for p in figure.points if p.row == row and p.y == 0)
        step = max(1, len(line) // 4)
        style = line_style(figure.looks[row])
        axes.plot(*zip(*line, strict=True), label=row, markevery=step, **style)
    axes.set_yscale("log")
    axes.set_title("Cut at y = 0", pad=3)
    axes.set_xlabel("x (filter norms)", labelpad=2)
    axes.set_ylabel("Loss", labelpad=1)
    axes.legend(frameon=False, fontsize=6, handlelength=2.2)
