"""Architectures, and the only place that joins them with data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from benchmarks.models import resnet, small
from msam.model import EarlyFusion, LateFusion, MultimodalModel

ENCODERS: dict[str, tuple[Callable[[int], nn.Module], int]] = {
    "resnet18": (resnet.resnet18_trunk, resnet.WIDTH),
    "small_cnn": (small.small_cnn, small.WIDTH),
}


def build_model(
    shapes: Mapping[str, tuple[int, ...]], classes: int, fusion: str, encoder: str
) -> MultimodalModel:
    """A freshly initialised model for samples {modality: (channels, H, W)}.

    Weights are drawn from the global generator; every modality has the same kind of encoder.
    """
    build, width = ENCODERS[encoder]
    encoders = {m: build(shape[0]) for m, shape in shapes.items()}
    widths = dict.fromkeys(encoders, width)
    fuse = LateFusion if fusion == "late" else EarlyFusion
    return MultimodalModel(encoders, fuse(widths, classes))
