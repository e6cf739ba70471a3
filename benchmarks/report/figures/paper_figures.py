"""The figures of the paper, and those that it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.report.figures import curves, paint_points, points
from benchmarks.report.figures.curves import CurvePoint, Reading, curve
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import Material
from benchmarks.report.figures.spread import RANGE, T_INTERVAL

NU = "\u03bd"


def overfitting_gap(material: Material) -> Figure:
    """tau over epochs, Fig. 2."""
    outputs = [[(dataset, "mm") for dataset in material.datasets]]
    found = _curves(material, outputs, curves.overfitting_gap)
    shown = list(dict.fromkeys(p.dataset for p in found)) or material.datasets
    pairs = [[(dataset, "mm") for dataset in shown[i : i + 2]] for i in range(0, len(shown), 2)]
    return material.figure(
        "overfitting_gap",
        "Overfitting gap over epochs",
        "Normalised overfitting gap τ = |train - test| / test of the fused accuracy (Eq. 1; the "
        "paper's Fig. 2 is AV-MNIST with late fusion). The train accuracy is the online mean over "
        "the epoch's batches, of weights that still change: a gap in the first epochs is "
        "mostly learning, and the vertical range may cut off the first tenth of the epochs. "
        f"{curves.caption(found)}",
        found,
        curves.Painter("τ = |train - test| / test", curves.from_zero),
        pairs,
        "no finished run records the train accuracy",
    )


def learning_curves(material: Material) -> Iterator[Figure]:
    """Test accuracy of every output over epochs, Figs. 4-6: one figure per dataset."""
    for dataset in material.datasets:
        outputs = [[(dataset, output) for output in material.outputs(dataset)]]
        found = _curves(material, outputs, curves.test_accuracy)
        yield material.figure(
            f"learning_curves_{dataset}",
            f"Learning curves on {material.label(dataset)}",
            "Test accuracy after each epoch (Figs. 4-6 of the paper): each modality alone, and "
            f"fused. Nothing is smoothed. {curves.caption(found)}",
            found,
            curves.Painter("Test accuracy (%)", curves.around, height=58.0),
            outputs,
            "no finished run on all modalities",
        )


def contributions(material: Material) -> Figure:
    """nu_m over epochs, for the methods that measure it; not in the paper."""
    names = {d: material.config.datasets[d].modalities for d in material.datasets}
    modalities = dict.fromkeys(m for known in names.values() for m in known)
    outputs = [[(dataset, modality) for dataset in names] for modality in modalities]
    found = _curves(material, outputs, curves.contribution)
    return material.figure(
        "contributions",
        "Contributions over training",
        f"Normalised contribution {NU} of each modality (Eq. 20), mean over the epoch's batches, "
        f"for the methods that measure it. Over the modalities they sum to 1. "
        f"{curves.caption(found)}",
        found,
        curves.Painter(f"Contribution {NU}", curves.unit, height=30.0),
        outputs,
        "no finished run records contributions",
    )


def relative_gain(material: Material) -> Figure:
    """Gain over Joint-Train, Fig. 7."""
    found = list(points.gains(material.suite, material.entries))
    return material.figure(
        "relative_gain",
        "Relative gain over Joint-Train",
        "Relative gain of the fused test accuracy over Joint-Train (Eq. 21, Fig. 7 of the paper), "
        "each run against Joint-Train's run of the same seed; runs without one are left out. "
        "Paper: Eq. 21 of the accuracies that its tables print. "
        f"{_reading(material, found)}",
        found,
        paint_points.paint_gains,
        [[(dataset, "mm") for dataset in material.datasets]],
        "no method has a finished run with a seed of Joint-Train's",
    )


def seeds(material: Material) -> Iterator[Figure]:
    """Every run as a point; not in the paper."""
    every = list(points.seeds(material.suite, material.entries))
    for dataset in material.datasets:
        found = [p for p in every if p.dataset == dataset]
        yield material.figure(
            f"seeds_{dataset}",
            f"Accuracy of every seed on {material.label(dataset)}",
            "Test accuracy of every run. Each panel has its own range. "
            f"{_reading(material, found)}",
            found,
            paint_points.paint_seeds,
            [[(dataset, output) for output in material.outputs(dataset)]],
            "no finished run has an accuracy",
        )


def cost(material: Material) -> Figure:
    """Accuracy against the time of an epoch; not in the paper."""
    found = list(points.costs(material.suite, material.entries))
    return material.figure(
        "cost",
        "Accuracy against cost",
        "Fused test accuracy against the mean time of an epoch, evaluation included, relative to "
        "Joint-Train on the same hardware; runs on hardware without a run of Joint-Train are left "
        "out, and runs that shared their device look slower than they are. "
        f"Each panel has its own accuracies. {_reading(material, found)}",
        found,
        paint_points.paint_costs,
        [[(dataset, "mm") for dataset in material.datasets]],
        "no times of Joint-Train on the same hardware",
    )


def _curves(
    material: Material, outputs: Sequence[Sequence[tuple[str, str]]], reading: Reading
) -> list[CurvePoint]:
    return [
        point
        for line in outputs
        for dataset, output in line
        for found in material.found
        if found.cell.dataset == dataset
        for point in curve(material.suite, found, output, reading)
    ]


def _reading(material: Material, found: Sequence[Any]) -> str:
    """How to read the marks, and at which epoch the numbers are."""
    kinds = {point.spread for point in found}
    said = {T_INTERVAL: "95 % t interval of the mean", RANGE: "for two runs their range"}
    bars = ", ".join(text for kind, text in said.items() if kind in kinds)
    lines = f"; lines: {bars}" if bars else ""
    return (
        "Marks are means over runs with different seeds (their number in brackets)"
        f"{lines}. Reported epoch: {material.selection}."
    )
