"""Accuracy against the time of an epoch; not in the paper."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.records.record import RunRecord
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
    "Fused test accuracy against the mean time of an epoch, evaluation included, relative to "
    "Joint-Train on the same hardware. Runs on hardware without a run of Joint-Train are left out. "
    "Runs that shared their device look slower than they are. Each panel has its own accuracies."
)


@dataclass(frozen=True)
class CostPoint:
    """Fused accuracy in percent, and seconds per epoch over those of Joint-Train."""

    suite: str
    dataset: str
    output: str
    row: str
    hardware: str
    runs: int
    seconds: float
    cost: float
    cost_low: float
    cost_high: float
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
        lacking="no times of Joint-Train on the same hardware",
    )


@dataclass(frozen=True)
class TimedRun:
    """Mean seconds per epoch and fused accuracy in percent of one run."""

    seconds: float
    accuracy: float


def _points(suite: str, entries: Sequence[Entry]) -> Iterator[CostPoint]:
    """One point per row and hardware on which Joint-Train ran, too."""
    for pair in marks.with_baseline(entries):
        entry, references = pair.entry, _by_hardware(pair.baseline)
        for hardware, timed in _by_hardware(entry).items():
            if hardware not in references:
                continue
            reference = fmean(run.seconds for run in references[hardware])
            cost = spread([run.seconds / reference for run in timed])
            s = spread([run.accuracy for run in timed])
            yield CostPoint(
                suite=suite,
                dataset=entry.cell.dataset,
                output="mm",
                row=entry.row,
                hardware=hardware,
                runs=s.n,
                seconds=round(fmean(run.seconds for run in timed), DECIMALS),
                cost=cost.mean,
                cost_low=cost.low,
                cost_high=cost.high,
                accuracy=s.mean,
                low=s.low,
                high=s.high,
                spread=s.kind,
                stand_in=entry.stand_in,
                published_protocol=entry.published_protocol,
            )


def _by_hardware(entry: Entry) -> dict[str, list[TimedRun]]:
    """The runs with known times, by the machine that they ran on."""
    found: dict[str, list[TimedRun]] = defaultdict(list)
    for run, accuracy in zip(entry.runs, entry.values, strict=True):
        seconds, device = run.timing.get("epoch_seconds"), run.environment.get("device")
        if seconds and device:
            found[_hardware(run)].append(TimedRun(fmean(seconds), accuracy))
    return found


def _hardware(run: RunRecord) -> str:
    threads = run.environment.get("threads")
    return run.environment["device"] + (f", {threads} threads" if threads else "")


def _paint(figure: Figure) -> Drawing:
    """Accuracy over cost; each dataset has its own range, as datasets are not compared here."""
    from matplotlib.ticker import MaxNLocator

    drawn = canvas(figure, Sizes(gap=9.0), row_handles(figure, lines=False))
    reach = max(max(p.cost, 0 if math.isnan(p.cost_high) else p.cost_high) for p in figure.points)
    for panel, axes in drawn.panels:
        axes.axvline(1, color="#555555", linewidth=0.8, zorder=2)
        axes.set_xlim(0, 1.08 * reach)
        axes.set_xlabel("Relative time per epoch", labelpad=2)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.margins(y=0.08)
        if figure.is_leftmost(panel):
            axes.set_ylabel("Fused test accuracy (%)")
        for points in figure.at(panel).values():
            for point in points:
                _mark(axes, figure, point)
    return drawn.page


def _mark(axes: Axes, figure: Figure, point: CostPoint) -> None:
    """The means, with the spread of both."""
    look = figure.looks[point.row]
    axes.plot([point.cost] * 2, [point.low, point.high], color=look.colour, **marks.SPREAD)
    ends = [point.cost_low, point.cost_high]
    axes.plot(ends, [point.accuracy] * 2, color=look.colour, **marks.SPREAD)
    axes.plot([point.cost], [point.accuracy], **marker_style(look), **marks.MEAN)
