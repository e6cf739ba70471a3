"""Contributions of the modalities over epochs; not in the paper."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import curves
from benchmarks.report.figures.curves import CurvePainter, EpochEntry, curve_points
from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.material import Material

ORDER = 5
NU = "\u03bd"
CAPTION = (
    f"Normalised contribution {NU} of each modality (Eq. 20), mean over the epoch's batches, for "
    "the methods that measure it. The contributions of all modalities sum to 1, so of two "
    "modalities only the first is shown."
)


def figures(material: Material) -> Iterator[Figure]:
    """One figure with a column for each dataset and a line of panels for each modality shown."""
    every = {dataset: material.config.datasets[dataset].modalities for dataset in material.datasets}
    known = {dataset: names[:1] if len(names) == 2 else names for dataset, names in every.items()}
    modalities = dict.fromkeys(m for names in known.values() for m in names)
    grid = [
        [Panel(dataset, name) if name in known[dataset] else None for dataset in known]
        for name in modalities
    ]
    panels = [panel for line in grid for panel in line if panel]
    points = curve_points(material, panels, contribution)
    yield material.figure(
        name="contributions",
        title="Contributions over training",
        caption=f"{CAPTION} {curves.caption(points)}",
        points=points,
        grid=grid,
        paint=CurvePainter(f"Contribution {NU}", curves.unit, height=30.0),
        lacking="no finished run records contributions",
    )


def contribution(entry: EpochEntry, output: str) -> float | None:
    """nu_m of Eq. 20, the mean over the epoch's batches, for methods that report it."""
    return entry.get("train", {}).get(f"contribution_{output}")
