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
    "the methods that measure it. The contributions of all modalities sum to 1."
)


def figures(material: Material) -> Iterator[Figure]:
    """One figure with a line of panels for each modality, a column for each dataset."""
    known = {dataset: material.config.datasets[dataset].modalities for dataset in material.datasets}
    modalities = dict.fromkeys(m for names in known.values() for m in names)
    grid = [[Panel(dataset, modality) for dataset in known] for modality in modalities]
    points = curve_points(material, [panel for line in grid for panel in line], contribution)
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
