"""Architectures, and the only place that joins them with data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from benchmarks.models import resnet, small
from msam.model import EarlyFusion, LateFusion, MultimodalModel


@dataclass(frozen=True)
class Architecture:
    """An encoder: `build(channels)` gives (B, channels, H, W) -> (B, width).

    `maxout` are the units of the early-fusion block that goes with it.
    """

    build: Callable[[int], nn.Module]
    width: int
    maxout: tuple[int, int]


ENCODERS = {
    "resnet18": Architecture(resnet.resnet18_trunk, resnet.WIDTH, (2048, 1024)),
    "small_cnn": Architecture(small.small_cnn, small.WIDTH, (128, 64)),
}


def build_model(
    shapes: Mapping[str, tuple[int, ...]], classes: int, fusion: str, encoder: str
) -> MultimodalModel:
    """A freshly initialised model for samples {modality: (channels, H, W)}.

    Weights are drawn from the global generator; every modality has the same kind of encoder.
    """
    architecture = ENCODERS[encoder]
    encoders = {m: architecture.build(shape[0]) for m, shape in shapes.items()}
    widths = dict.fromkeys(encoders, architecture.width)
    if fusion == "late":
        return MultimodalModel(encoders, LateFusion(widths, classes))
    return MultimodalModel(encoders, EarlyFusion(widths, classes, architecture.maxout))
