"""The loss surface around the trained weights, Fig. 1: contours per method, and a cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from benchmarks.configs.schema import Config
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.style import DASHES, MARKERS, Look, looks
from benchmarks.report.wording import is_published, published_warning, run_labels
from benchmarks.studies.sharpness.paint import CUT, paint
from benchmarks.studies.sharpness.surface_file import Surface, SurfaceSettings

Group = tuple[str, str, SurfaceSettings]  # dataset, fusion, settings
Found = tuple[RunRecord, Surface]


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


def surface_figures(
    config: Config, records: Sequence[RunRecord], paths: Iterable[Path]
) -> list[Figure]:
    """A figure for each dataset, fusion and settings of the loss surfaces in the files `paths`.

    Surfaces that are not complete, or of runs without a record, are left out. ValueError names a
    file that is damaged.
    """
    runs = {record.run_id: record for record in records}
    groups: dict[Group, list[Found]] = defaultdict(list)
    for surface in map(Surface.load, paths):
        if surface.run_id in runs and not surface.missing():
            run = runs[surface.run_id]
            key = (run.experiment.dataset, run.experiment.fusion, surface.settings)
            groups[key].append((run, surface))
    return [_figure(config, group, found) for group, found in groups.items()]


def _figure(config: Config, group: Group, found: Sequence[Found]) -> Figure:
    dataset, fusion, settings = group
    labels = run_labels(config, [run for run, _ in found])
    points = [
        SurfacePoint(dataset, label, label, run.experiment.seed, x, y, loss, accuracy, *marks)
        for label, (run, surface) in _one_per_label(labels, found).items()
        for marks in [(run.stand_in, is_published([run]))]
        for (x, y), (loss, accuracy) in surface.points.items()
        if isfinite(loss)
    ]
    rows = list(dict.fromkeys(point.row for point in points))
    panels = [Panel(dataset, row, row) for row in rows]
    return Figure(
        name=f"loss_surface_{dataset}_{fusion}_{settings.digest}",
        title=f"Loss surface on {config.datasets[dataset].label}, {fusion} fusion",
        caption=_caption(config, points, settings),
        points=points,
        grid=[[*panels, Panel(dataset, CUT, "Cut at y = 0")]],
        looks=_looks(config, found, labels),
        paint=paint,
        absent="no complete loss surface; ./reproduce.sh sharpness makes it",
    )


def _one_per_label(labels: Mapping[str, str], found: Sequence[Found]) -> dict[str, Found]:
    """The run with the lowest seed of each label."""
    by_seed = sorted(found, key=lambda pair: pair[0].experiment.seed, reverse=True)
    return {labels[run.experiment.cell_id]: (run, surface) for run, surface in by_seed}


def _looks(config: Config, found: Sequence[Found], labels: Mapping[str, str]) -> dict[str, Look]:
    """The tables' looks, and for variants of a method its colour with other dashes and markers."""
    known = looks(config)
    colours = {
        labels[run.experiment.cell_id]: config.methods[run.experiment.method].colour
        for run, _ in found
    }
    variants = sorted(label for label in colours if label not in known)
    numbered = enumerate(variants, len(known))
    return known | {v: Look(i, colours[v], DASHES[i % 4], MARKERS[i % 7]) for i, v in numbered}


def _caption(config: Config, points: Sequence[SurfacePoint], settings: SurfaceSettings) -> str:
    names = {config.datasets[p.dataset].label for p in points if p.stand_in}
    warning = "".join(f"STAND-IN DATA ({n}): says nothing about the paper. " for n in sorted(names))
    published = (p.dataset for p in points if p.published_protocol)
    warning += "".join(f"{text} " for text in published_warning(config, published))
    seeds = ", ".join(map(str, sorted({point.seed for point in points})))
    return (
        f"{warning}Mean cross-entropy of the fused logits on {settings.samples} fixed "
        f"{settings.split} samples around the last epoch's weights, in two random "
        "filter-normalised directions (Li et al. 2018), the same draws for every method; "
        "BatchNorm in evaluation mode. Colours and levels are "
        "common to all panels and even in the logarithm. Cross: trained weights. "
        f"Seed {seeds}. The paper's Fig. 1 is CREMA-D with late fusion."
    )
