"""How far the recordings of the published archive have moved, beside our simulation of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.figures.figure import Figure, Look, Panel
from benchmarks.report.figures.style import DASHES, Sizes, canvas, line_style
from benchmarks.studies.forensics.archive import Study
from datasets.avmnist.pairing import completion_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

FARTHEST = 10
"""Moves of up to so many rows are shown."""

SIMULATED = {"simulated, 2 %": 0.02, "simulated, 5 %": 0.05, "simulated, 10 %": 0.1}
ARCHIVE = "the archive"
_COLOURS = ("#000000", "#56b4e9", "#0072b2", "#cc79a7")
LOOKS = {
    row: Look(i, _COLOURS[i], DASHES[i], "os^v"[i]) for i, row in enumerate([ARCHIVE, *SIMULATED])
}


@dataclass(frozen=True)
class Point:
    """Percent of all rows whose recording was made for the row so many places further up."""

    dataset: str
    output: str
    row: str
    moved: int
    percent: float
    stand_in: bool = False
    published_protocol: bool = False


def archive_figure(found: Study) -> Figure:
    """Share of rows by the distance that their recording has moved."""
    return Figure(
        name="archive",
        title="How far recordings moved in the published AV-MNIST",
        caption="Rows of the published archive by the distance between the row that holds a "
        "recording and the row for whose image it was made, and the same in simulations of a pool "
        "of 23 workers whose job times vary by 2, 5 or 10 %.",
        points=list(_points(found)),
        grid=[[Panel("avmnist", "all", "AV-MNIST, all rows")]],
        looks=LOOKS,
        paint=paint,
        absent="the order of the archive cannot be told",
    )


def _points(found: Study) -> Iterator[Point]:
    if found.origin is None:
        return
    rows = np.arange(len(found.origin))
    moves = {ARCHIVE: rows - found.origin}
    for name, spread in SIMULATED.items():
        moves[name] = rows - completion_order(len(rows), np.random.RandomState(0), spread)
    for name, moved in moves.items():
        for distance in range(-FARTHEST, FARTHEST + 1):
            percent = round(100 * float((moved == distance).mean()), 4)
            yield Point("avmnist", "all", name, distance, percent)


def paint(figure: Figure) -> Drawing:
    """A line per row over the distance."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=row, **line_style(figure.looks[row])) for row in figure.rows]
    drawn = canvas(figure, Sizes(height=60.0, entry=26.0), handles)
    ((panel, axes),) = drawn.panels
    for row, points in figure.at(panel).items():
        style = line_style(figure.looks[row])
        axes.plot([p.moved for p in points], [p.percent for p in points], **style)
    axes.set_xlabel("Rows that a recording has moved", labelpad=2)
    axes.set_ylabel("Rows (%)", labelpad=2)
    axes.set_xticks(range(-FARTHEST, FARTHEST + 1, 5))
    axes.set_ylim(bottom=0)
    return drawn.page
