"""Accuracies of the rebuilt AV-MNIST against the share of rows that keep their recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures.figure import Figure, Look, Panel
from benchmarks.report.figures.style import DASHES, Sizes, canvas, line_style
from benchmarks.studies.forensics.cases import NUMBERS, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

COMPONENTS = "4 components"
_COLOURS = ("#0072b2", "#b5a300", "#56b4e9", "#cc79a7", "#000000")
_MARKERS = "os^vD"
_PAPER: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.7}
LOOKS = {
    number.name: Look(i, _COLOURS[i], DASHES[i % len(DASHES)], _MARKERS[i])
    for i, number in enumerate(NUMBERS)
}


@dataclass(frozen=True)
class Point:
    """Percent: rows that keep their recording, test accuracy, and the paper's accuracy."""

    dataset: str
    output: str
    row: str
    in_place: float
    accuracy: float
    paper: float
    runs: int
    stand_in: bool = False
    published_protocol: bool = False


def forensics_figure(table: Sequence[Row]) -> Figure:
    """The rows with four PCA components; the paper's accuracies are lines across."""
    panel = Panel("avmnist", "all", "AV-MNIST, 4 PCA components")
    return Figure(
        name="forensics",
        title="Accuracy against the share of rows in place",
        caption="Test accuracies of small networks on AV-MNIST rebuilt with more or less scrambled "
        "recordings (points), and the accuracies that the paper prints (thin lines, same colour).",
        points=list(_points(table)),
        grid=[[panel]],
        looks=LOOKS,
        paint=paint,
        absent="no runs",
    )


def _points(table: Sequence[Row]) -> Iterator[Point]:
    *measured, paper = table
    for row in sorted(measured, key=lambda r: r.in_place):
        for number, value, printed in zip(NUMBERS, row.values, paper.values, strict=True):
            if row.case.startswith(COMPONENTS) and not math.isnan(value):
                yield Point(
                    dataset="avmnist",
                    output="all",
                    row=number.name,
                    in_place=round(row.in_place, 4),
                    accuracy=round(value, 4),
                    paper=printed,
                    runs=row.seeds,
                )


def paint(figure: Figure) -> Drawing:
    """A line per number over the share of rows in place."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=row, **line_style(figure.looks[row])) for row in figure.rows]
    handles.append(Line2D([], [], label="paper, same colour", color="#777777", **_PAPER))
    drawn = canvas(figure, Sizes(height=60.0, entry=26.0), handles)
    ((panel, axes),) = drawn.panels
    for row, points in figure.at(panel).items():
        style = line_style(figure.looks[row])
        axes.plot([p.in_place for p in points], [p.accuracy for p in points], **style)
        axes.axhline(points[0].paper, color=style["color"], zorder=1, **_PAPER)
    axes.set_xlabel("Training rows with their own recording (%)", labelpad=2)
    axes.set_ylabel("Test accuracy (%)", labelpad=2)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    return drawn.page
