"""The loss surface around the trained weights, Fig. 1: contours per method, and a cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.configs.schema import Config
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure, Look, Panel
from benchmarks.report.figures.material import warnings
from benchmarks.report.figures.style import DOUBLE, MM, line_style, look, looks
from benchmarks.report.wording import is_published, run_labels
from benchmarks.studies.sharpness.sharpness_files import Surface, SurfaceSettings

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


@dataclass(frozen=True)
class SurfacePoint:
    """Loss and accuracy (a fraction) at `x`, `y` from the weights of one run, in filter norms.

    `output` is the row again: every method has a panel of its own.
    """

    dataset: str
    output: str
    row: str
    seed: int
    x: float
    y: float
    loss: float
    accuracy: float
    stand_in: bool
    published_protocol: bool


@dataclass(frozen=True)
class _Group:
    """What has a figure of its own."""

    dataset: str
    fusion: str
    settings: SurfaceSettings


@dataclass(frozen=True)
class _Measured:
    run: RunRecord
    surface: Surface


def surface_figures(
    config: Config, records: Sequence[RunRecord], surfaces: Iterable[Surface]
) -> list[Figure]:
    """A figure for each dataset, fusion and settings of the loss surfaces.

    Surfaces that are not complete, or of runs without a record, are left out.
    """
    runs = {record.run_id: record for record in records}
    groups: dict[_Group, list[_Measured]] = defaultdict(list)
    for surface in surfaces:
        run = runs.get(surface.run_id)
        if run and not surface.missing():
            group = _Group(run.experiment.dataset, run.experiment.fusion, surface.settings)
            groups[group].append(_Measured(run, surface))
    return [_figure(config, group, found) for group, found in groups.items()]


def _figure(config: Config, group: _Group, found: Sequence[_Measured]) -> Figure:
    labels = run_labels(config, [each.run for each in found])
    by_seed = sorted(found, key=lambda each: each.run.experiment.seed, reverse=True)
    lowest_seed = {labels[each.run.experiment.cell_id]: each for each in by_seed}
    points = [point for label, each in lowest_seed.items() for point in _points(label, each)]
    panels = [Panel(group.dataset, row, row) for row in dict.fromkeys(p.row for p in points)]
    return Figure(
        name=f"loss_surface_{group.dataset}_{group.fusion}_{group.settings.digest}",
        title=f"Loss surface on {config.datasets[group.dataset].label}, {group.fusion} fusion",
        caption=_caption(config, points, group.settings),
        points=points,
        grid=[[*panels, Panel(group.dataset, CUT, "Cut at y = 0")]],
        looks=_looks(config, found, labels),
        paint=paint,
        absent="no complete loss surface; ./reproduce.sh sharpness makes it",
    )


def _points(label: str, measured: _Measured) -> list[SurfacePoint]:
    """The points of one surface; losses that are not finite are left blank."""
    run = measured.run
    return [
        SurfacePoint(
            dataset=run.experiment.dataset,
            output=label,
            row=label,
            seed=run.experiment.seed,
            x=x,
            y=y,
            loss=loss,
            accuracy=accuracy,
            stand_in=run.stand_in,
            published_protocol=is_published([run]),
        )
        for (x, y), (loss, accuracy) in measured.surface.points.items()
        if isfinite(loss)
    ]


def _looks(
    config: Config, found: Sequence[_Measured], labels: Mapping[str, str]
) -> dict[str, Look]:
    """The tables' looks, and for variants of a method its colour with other dashes and markers."""
    known = looks(config)
    colours = {
        labels[each.run.experiment.cell_id]: config.methods[each.run.experiment.method].colour
        for each in found
    }
    variants = sorted(label for label in colours if label not in known)
    return known | {v: look(i, colours[v]) for i, v in enumerate(variants, len(known))}


def _caption(config: Config, points: Sequence[SurfacePoint], settings: SurfaceSettings) -> str:
    seeds = ", ".join(map(str, sorted({point.seed for point in points})))
    about = (
        f"Mean cross-entropy of the fused logits on {settings.samples} fixed {settings.split} "
        "samples around the last epoch's weights, in two random filter-normalised directions "
        "(Li et al. 2018), the same draws for every method; BatchNorm in evaluation mode. Colours "
        "and levels are the same in all panels and even in the logarithm. Cross: trained weights. "
        f"Seed {seeds}. The paper's Fig. 1 is CREMA-D with late fusion."
    )
    return " ".join([*warnings(config, points), about])


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
        axes.set_title(row.replace(" (", "\n("), pad=3, fontsize=6.5)
        axes.tick_params(labelleft=place % columns == 0)
        if place % columns == 0:
            axes.set_ylabel("y (filter norms)", labelpad=1)
    panels, cut, unused = all_axes[: len(rows)], all_axes[len(rows)], all_axes[len(rows) + 1 :]
    bar = page.colorbar(drawn, ax=panels, ticks=levels[::5], pad=0.01)
    bar.ax.set_yticklabels([f"{level:.3g}" for level in levels[::5]])
    bar.ax.minorticks_off()
    bar.set_label("Loss")
    _cuts(cut, figure)
    page.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=6, handlelength=2.2)
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
