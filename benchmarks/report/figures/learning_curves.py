"""Test accuracy of every output over epochs: the paper's Figs. 4-6."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import curves
from benchmarks.report.figures.curves import CurvePainter, EpochEntry, curve_points
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import Material

ORDER = 2
CAPTION = (
    "Test accuracy after each epoch (Figs. 4-6 of the paper): each modality alone, and fused. "
    "Nothing is smoothed. Each panel has its own range."
)


def figures(material: Material) -> Iterator[Figure]:
    """A figure for each dataset, with a panel for each modality and one for the fused output."""
    for dataset in material.datasets:
        panels = material.outputs(dataset)
        points = curve_points(material, panels, test_accuracy)
        yield material.figure(
            name=f"learning_curves_{dataset}",
            title=f"Learning curves on {material.label(dataset)}",
            caption=f"{CAPTION} {curves.caption(points)}",
            points=points,
            grid=[panels],
            paint=CurvePainter("Test accuracy (%)", curves.around, height=58.0, own_range=True),
            lacking="no finished run on all modalities",
        )


def test_accuracy(entry: EpochEntry, output: str) -> float | None:
    """The test accuracy in percent."""
    fraction = entry["test"].get(f"acc_{output}")
    return None if fraction is None else 100 * fraction
