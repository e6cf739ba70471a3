"""Marks at the reported epoch, for the figures that show some: mean, spread, the paper's value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import RANGE, T_INTERVAL, Material
from benchmarks.report.figures.style import Canvas, Sizes, canvas, marker_style, row_labels
from benchmarks.report.tables.entry import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

BASELINE = "joint_train"  # of Eq. 21, and of the cost
ROW = 4.0  # millimetres per method
MEAN: dict[str, Any] = {"linestyle": "none", "markersize": 4.5, "zorder": 4}
SPREAD: dict[str, Any] = {"linewidth": 1.3, "zorder": 2.5}
PAPER: dict[str, Any] = {
    "linestyle": "none", "marker": "|", "markersize": 9, "markeredgewidth": 1.2,
    "color": "black", "zorder": 5,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The fused numbers of a row, and those of Joint-Train that they are compared with."""

    baseline: Entry
    entry: Entry


def with_baseline(entries: Sequence[Entry]) -> Iterator[Pair]:
    """Each fused entry with Joint-Train's on the same dataset with as many wrong labels."""
    fused = [e for e in entries if e.metric == "acc_mm" and e.measured]
    baselines = {_task(e): e for e in fused if e.cell.row.method == BASELINE}
    for entry in fused:
        if _task(entry) in baselines:
            yield Pair(baselines[_task(entry)], entry)


def _task(entry: Entry) -> tuple[str, int]:
    return entry.cell.dataset, entry.label_noise


def caption(material: Material, points: Sequence[Any]) -> str:
    """How to read the marks, and at which epoch the numbers are."""
    kinds = {point.spread for point in points}
    meanings = {T_INTERVAL: "95 % t interval of the mean", RANGE: "for two runs their range"}
    bars = ", ".join(text for kind, text in meanings.items() if kind in kinds)
    lines = f"; lines: {bars}" if bars else ""
    return (
        "Marks are means over runs with different seeds (their number in brackets)"
        f"{lines}. Reported epoch: {material.selection}."
    )


def rows_canvas(figure: Figure, handles: Sequence[Line2D]) -> Canvas:
    """Axes with a line per row of the figure, the first on top, named in the first panel."""
    from matplotlib.ticker import MaxNLocator

    names = row_labels(figure)
    sizes = Sizes(height=max(14.0, ROW * len(names) + 4), left=31.0, gap=4.0, entry=42.0)
    drawn = canvas(figure, sizes, handles)
    for panel, axes in drawn.panels:
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks(range(len(names)), names if figure.is_leftmost(panel) else [])
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    return drawn


def draw_marks(axes: Axes, figure: Figure, points: Sequence[Any]) -> None:
    """Mean, spread and the paper's value of every row; one point for each."""
    places = [figure.rows.index(point.row) for point in points]
    for place, point in zip(places, points, strict=True):
        look = figure.looks[point.row]
        if not math.isnan(point.low):
            axes.hlines(place, point.low, point.high, colors=look.colour, **SPREAD)
        axes.plot([point.mean], [place], **marker_style(look), **MEAN)
    axes.plot([point.paper for point in points], places, **PAPER)


def legend_marks(figure: Figure) -> list[Line2D]:
    """Legend entries for the mean, and for spread and paper where the figure has them."""
    from matplotlib.lines import Line2D

    handles = [glyph("mean")]
    kinds = [kind for kind in dict.fromkeys(p.spread for p in figure.points) if kind != "none"]
    if kinds:
        handles.append(Line2D([], [], label=", ".join(kinds), color="#777777", linewidth=1.3))
    if any(not math.isnan(p.paper) for p in figure.points):
        handles.append(Line2D([], [], label="paper", **PAPER))
    return handles


def glyph(label: str, **style: Any) -> Line2D:
    """A grey dot for the legend; `style` changes it."""
    from matplotlib.lines import Line2D

    dot = {"linestyle": "none", "color": "#777777", "marker": "o", "markersize": 4.5}
    return Line2D([], [], label=label, **{**dot, **style})
