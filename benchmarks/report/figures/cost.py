"""Accuracy against the cost of a step; not in the paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.plan.measurements import Figures, key_for, load_figures
from benchmarks.report.figures import marks
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import DECIMALS, Material, spread
from benchmarks.report.figures.style import Sizes, canvas, marker_style, row_handles
from benchmarks.report.tables.entry import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ORDER = 6
CAPTION = (
    "Fused test accuracy against the time of a training step relative to Joint-Train, as `bench` "
    "measured both in turn on one machine with nothing beside them. Times of the runs themselves "
    "are not used: they show how busy the machine was. Rows that `bench` does not time are left "
    "out. Each panel has its own accuracies."
)


@dataclass(frozen=True)
class CostPoint:
    """Fused accuracy in percent, and the time of a step over that of Joint-Train."""

    suite: str
    dataset: str
    output: str
    row: str
    hardware: str
    runs: int
    cost: float
    accuracy: float
    low: float
    high: float
    spread: str
    stand_in: bool
    published_protocol: bool


def figures(material: Material) -> Iterator[Figure]:
    """One figure with a panel for each dataset."""
    points = list(_points(material.suite, material.entries))
    yield material.figure(
        name="cost",
        title="Accuracy against cost",
        caption=f"{CAPTION} {marks.caption(material, points)}",
        points=points,
        grid=[material.fused()],
        paint=_paint,
        lacking="bench has no step times of these rows and of Joint-Train",
    )


def _points(suite: str, entries: Sequence[Entry]) -> Iterator[CostPoint]:
    """One point per row that bench has timed beside Joint-Train."""
    measured = load_figures()
    for entry in (e for e in entries if e.metric == "acc_mm" and e.measured):
        cost = _cost(entry, measured)
        if cost is None:
            continue
        s = spread(entry.values)
        yield CostPoint(
            suite=suite,
            dataset=entry.cell.dataset,
            output="mm",
            row=entry.row,
            hardware=cost.hardware,
            runs=s.n,
            cost=round(cost.ratio, DECIMALS),
            accuracy=s.mean,
            low=s.low,
            high=s.high,
            spread=s.kind,
            stand_in=entry.stand_in,
            published_protocol=entry.published_protocol,
        )


@dataclass(frozen=True)
class _Cost:
    ratio: float
    hardware: str


def _cost(entry: Entry, measured: Figures) -> _Cost | None:
    """Step time over Joint-Train's; None unless both are from one machine."""
    template = entry.cell.template
    own, base = (
        measured.seconds.get(key_for(template, method))
        for method in (template.method, marks.BASELINE)
    )
    if own is None or base is None or own.source != base.source:
        return None
    return _Cost(own.value / base.value, own.source)


def _paint(figure: Figure) -> Drawing:
    """Accuracy over cost; each dataset has its own range, as datasets are not compared here."""
    from matplotlib.ticker import MaxNLocator

    drawn = canvas(figure, Sizes(gap=9.0), row_handles(figure, lines=False))
    reach = max(p.cost for p in figure.points)
    for panel, axes in drawn.panels:
        axes.axvline(1, color="#555555", linewidth=0.8, zorder=2)
        axes.set_xlim(0, 1.08 * reach)
        axes.set_xlabel("Relative time per step", labelpad=2)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.margins(y=0.08)
        if figure.is_leftmost(panel):
            axes.set_ylabel("Fused test accuracy (%)")
        for points in figure.at(panel).values():
            for point in points:
                _mark(axes, figure, point)
    return drawn.page


def _mark(axes: Axes, figure: Figure, point: CostPoint) -> None:
    """The mean, with its spread."""
    look = figure.looks[point.row]
    axes.plot([point.cost] * 2, [point.low, point.high], color=look.colour, **marks.SPREAD)
    axes.plot([point.cost], [point.accuracy], **marker_style(look), **marks.MEAN)
