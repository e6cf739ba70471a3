"""Gain over Joint-Train: the paper's Fig. 7."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.report.figures import marks
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import DECIMALS, Material, spread
from benchmarks.report.tables.entry import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

ORDER = 3
CAPTION = (
    "Relative gain of the fused test accuracy over Joint-Train (Eq. 21, Fig. 7 of the paper), each "
    "run against Joint-Train's run of the same seed; runs without one are left out. Paper: Eq. 21 "
    "of the accuracies that its tables print."
)


@dataclass(frozen=True)
class GainPoint:
    """Relative gain in percent, Eq. 21; `paper` is that of the paper's printed accuracies."""

    suite: str
    dataset: str
    output: str
    row: str
    runs: int
    mean: float
    low: float
    high: float
    spread: str
    paper: float
    stand_in: bool
    published_protocol: bool


def figures(material: Material) -> Iterator[Figure]:
    """One figure with a panel for each dataset."""
    points = list(_gains(material.suite, material.entries))
    yield material.figure(
        name="relative_gain",
        title="Relative gain over Joint-Train",
        caption=f"{CAPTION} {marks.caption(material, points)}",
        points=points,
        grid=[material.fused()],
        paint=_paint,
        lacking="no method has a finished run with a seed of Joint-Train's",
    )


def _gains(suite: str, entries: Sequence[Entry]) -> Iterator[GainPoint]:
    """The gains of all methods over Joint-Train, seed by seed.

    Under one seed all methods see the same batches, so each run is compared with the baseline's
    run of its seed; runs without such a partner are left out.
    """
    for pair in marks.with_baseline(entries):
        baseline, entry = pair.baseline, pair.entry
        partners = dict(zip(baseline.seeds, baseline.values, strict=True))
        runs = zip(entry.seeds, entry.values, strict=True)
        values = [relative_gain(v, partners[seed]) for seed, v in runs if partners.get(seed)]
        if entry is baseline or not values:
            continue
        s = spread(values)
        paper = math.nan if entry.stand_in else relative_gain(entry.paper, baseline.paper)
        yield GainPoint(
            suite=suite,
            dataset=entry.cell.dataset,
            output="mm",
            row=entry.row,
            runs=s.n,
            mean=s.mean,
            low=s.low,
            high=s.high,
            spread=s.kind,
            paper=round(paper, DECIMALS),
            stand_in=entry.stand_in or baseline.stand_in,
            published_protocol=entry.published_protocol or baseline.published_protocol,
        )


def relative_gain(accuracy: float, baseline: float) -> float:
    """Eq. 21 in percent."""
    return 100 * (accuracy - baseline) / baseline


def _paint(figure: Figure) -> Drawing:
    """Gains with their spread, a line at zero; one range for all panels."""
    drawn = marks.rows_canvas(figure, marks.legend_marks(figure))
    ends = [x for p in figure.points for x in (p.mean, p.low, p.high, p.paper, 0.0)]
    known = [x for x in ends if not math.isnan(x)]
    air = 0.05 * (max(known) - min(known)) + 0.1
    for panel, axes in drawn.panels:
        axes.axvline(0, color="#555555", linewidth=0.8, zorder=2)
        axes.set_xlim(min(known) - air, max(known) + air)
        axes.set_xlabel("Relative gain (%)", labelpad=2)
        marks.draw_marks(axes, figure, [point for (point,) in figure.at(panel).values()])
    return drawn.page
