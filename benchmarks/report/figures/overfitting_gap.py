"""The overfitting gap over epochs: the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import curves
from benchmarks.report.figures.curves import CurvePainter, EpochEntry, curve_points
from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.material import Material

ORDER = 1
MOST_BANDS = 4  # rows
CAPTION = (
    "Normalised overfitting gap τ = |train - test| / test of the fused accuracy (Eq. 1; the "
    "paper's Fig. 2 is AV-MNIST with late fusion). The train accuracy is the mean over the "
    "epoch's batches, of weights that still change: a gap in the first epochs is mostly learning. "
    "The vertical range may cut off the first tenth of the epochs."
)


def figures(material: Material) -> Iterator[Figure]:
    """One figure with a panel for each dataset, two in a line."""
    points = curve_points(material, material.fused(), overfitting_gap)
    shown = dict.fromkeys(point.dataset for point in points) or material.datasets
    panels = [Panel(dataset, "mm") for dataset in shown]
    yield material.figure(
        name="overfitting_gap",
        title="Overfitting gap over epochs",
        caption=f"{CAPTION} {curves.caption(points, MOST_BANDS)}",
        points=points,
        grid=[panels[i : i + 2] for i in range(0, len(panels), 2)],
        paint=CurvePainter("τ = |train - test| / test", curves.from_zero, most_bands=MOST_BANDS),
        lacking="no finished run records the train accuracy",
    )


def overfitting_gap(entry: EpochEntry, output: str) -> float | None:
    """tau = |train - test| / test of the accuracy, Eq. 1; None where the test accuracy is 0.

    The train accuracy is the online mean over the epoch's batches, in training mode: records have
    no other.
    """
    train, test = (entry.get(part, {}).get(f"acc_{output}") for part in ("train", "test"))
    return abs(train - test) / test if train is not None and test else None
