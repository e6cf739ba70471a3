"""The accuracy of every run, beside mean, spread and the paper's value; not in the paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures import marks
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import DECIMALS, Material, spread
from benchmarks.report.figures.style import marker_style
from benchmarks.report.rules.cell import MARGIN
from benchmarks.report.tables.entry import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

ORDER = 4
CAPTION = (
    "Test accuracy of every run. Grey bands are the paper's number "
    f"\u00b1 {MARGIN:g} point. Each panel has its own range."
)
_BELOW = 0.36  # rows from a mean to its seeds: neither mark covers the other, whatever the numbers
_BAND: dict[str, Any] = {
    "linewidth": 6, "color": "#bbbbbb", "alpha": 0.6, "solid_capstyle": "butt", "zorder": 1.2,
}  # fmt: skip
_SEED: dict[str, Any] = {"linestyle": "none", "markersize": 3.2, "alpha": 0.45}


@dataclass(frozen=True)
class SeedPoint:
    """One run's accuracy in percent, with mean and spread of its row."""

    suite: str
    dataset: str
    output: str
    row: str
    seed: int
    accuracy: float
    runs: int
    mean: float
    low: float
    high: float
    spread: str
    paper: float
    stand_in: bool
    published_protocol: bool


def figures(material: Material) -> Iterator[Figure]:
    """The fused numbers of all datasets; then a figure for each dataset, with all outputs."""
    every = list(_points(material.suite, material.entries))
    fused = [point for point in every if point.output == "mm"]
    yield material.figure(
        name="seeds_fused",
        title="Fused accuracy of every seed",
        caption=f"{CAPTION} {marks.caption(material, fused)}",
        points=fused,
        grid=[material.fused()],
        paint=_paint,
        lacking="no finished run has a fused accuracy",
    )
    for dataset in material.datasets:
        points = [point for point in every if point.dataset == dataset]
        yield material.figure(
            name=f"seeds_{dataset}",
            title=f"Accuracy of every seed on {material.label(dataset)}",
            caption=f"{CAPTION} {marks.caption(material, points)}",
            points=points,
            grid=[material.outputs(dataset)],
            paint=_paint,
            lacking="no finished run has an accuracy",
        )


def _points(suite: str, entries: Iterable[Entry]) -> Iterator[SeedPoint]:
    """Every run of every row, Single rows included."""
    for entry in (e for e in entries if e.measured):
        s = spread(entry.values)
        for seed, value in zip(entry.seeds, entry.values, strict=True):
            yield SeedPoint(
                suite=suite,
                dataset=entry.cell.dataset,
                output=entry.metric.removeprefix("acc_"),
                row=entry.row,
                seed=seed,
                accuracy=round(value, DECIMALS),
                runs=s.n,
                mean=s.mean,
                low=s.low,
                high=s.high,
                spread=s.kind,
                paper=math.nan if entry.stand_in else entry.paper,
                stand_in=entry.stand_in,
                published_protocol=entry.published_protocol,
            )


def _paint(figure: Figure) -> Drawing:
    """Every run as a pale point just below the mean of its row."""
    one_seed = marks.glyph("one seed", alpha=_SEED["alpha"], markersize=_SEED["markersize"])
    drawn = marks.rows_canvas(figure, [one_seed, *marks.legend_marks(figure)])
    for panel, axes in drawn.panels:
        axes.set_xlabel("Test accuracy (%)", labelpad=2)
        axes.margins(x=0.06)
        found = figure.at(panel)
        for row, points in found.items():
            place, paper = figure.rows.index(row), points[0].paper
            axes.plot([paper - MARGIN, paper + MARGIN], [place] * 2, **_BAND)
            if len(points) == 1:
                continue  # its mark is that of the mean
            heights = [place + _BELOW] * len(points)
            style = marker_style(figure.looks[row])
            axes.plot([p.accuracy for p in points], heights, zorder=3, **style, **_SEED)
        marks.draw_marks(axes, figure, [points[0] for points in found.values()])
    return drawn.page
