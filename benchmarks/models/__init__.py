"""Architectures, and the only place that joins them with data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from benchmarks.models import cnn, segments, transformer
from msam.model import EarlyFusion, LateFusion, MultimodalModel

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """An encoder: `build(shape)` gives (B, *shape) -> (B, width), with the shape of one sample.

    `takes` are the numbers of axes that a sample may have, and `maxout` the units of the
    early-fusion block that goes with it. For samples of T segments it is (B * T, width).
    """

    build: Callable[[Shape], nn.Module]
    width: int
    maxout: tuple[int, int]
    takes: tuple[int, ...] = (3,)


ENCODERS = {
    "resnet18": Architecture(cnn.resnet18_trunk, cnn.WIDTH, (2048, 1024)),
    "small_cnn": Architecture(cnn.small_cnn, cnn.SMALL_WIDTH, (128, 64)),
    "small_cnn56": Architecture(partial(cnn.small_cnn, side=cnn.HALF), cnn.SMALL_WIDTH, (128, 64)),
    "segment_lstm": Architecture(
        segments.segment_lstm, 2 * segments.HIDDEN, segments.MAXOUT, (2, 4)
    ),
    "small_segment_lstm": Architecture(
        segments.small_segment_lstm, 2 * segments.SMALL_HIDDEN, segments.SMALL_MAXOUT, (2, 4)
    ),
    "transformer": Architecture(transformer.transformer, transformer.WIDTH, (2048, 1024), (2,)),
    "transformer_masked": Architecture(
        transformer.transformer_masked, transformer.WIDTH, (2048, 1024), (2,)
    ),
    "small_transformer": Architecture(
        transformer.small_transformer, transformer.SMALL_WIDTH, (128, 64), (2,)
    ),
}


def build_model(
    shapes: Mapping[str, Shape], classes: int, fusion: str, encoder: str
) -> MultimodalModel:
    """A freshly initialised model for samples {modality: shape}.

    Weights are drawn from the global generator; every modality has the same kind of encoder.
    Raises ValueError if that kind does not fit.
    """
    architecture = ENCODERS[encoder]
    if problems := encoder_problems(shapes, encoder):
        raise ValueError("; ".join(problems))
    encoders = {m: architecture.build(shape) for m, shape in shapes.items()}
    widths = dict.fromkeys(encoders, architecture.width)
    if fusion == "late":
        return MultimodalModel(encoders, LateFusion(widths, classes))
    return MultimodalModel(encoders, EarlyFusion(widths, classes, architecture.maxout))


def encoder_problems(shapes: Mapping[str, Shape], encoder: str) -> list[str]:
    """One sentence for every modality whose samples this encoder cannot take."""
    takes = ENCODERS[encoder].takes
    return [
        f"encoder {encoder} takes samples of {' or '.join(map(str, takes))} axes, "
        f"but {modality} has {len(shape)}: {shape}"
        for modality, shape in shapes.items()
        if len(shape) not in takes
    ]
