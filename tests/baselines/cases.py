"""The combinations on which every registered method is tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.registry import METHODS, build_method
from benchmarks.training.epoch import show_features
from msam.method import Method
from msam.model import MultimodalModel
from msam.optim import OptimConfig
from tests.tiny import MODALITIES, OPTIM, WIDTHS, Batch, tiny_batches, tiny_model, val_metrics

SEGMENTS = 2


class PerSegment(nn.Module):
    """An encoder of single segments on samples of several: (B, T, ...) -> (B * T, D)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(0, 1))


def model_for(method: str, count: int, fusion: str, **options: Any) -> MultimodalModel:
    """`tiny_model`, with features of one width if the method refuses features of several."""
    return tiny_model(count, fusion, widths=_widths(method, count, fusion), **options)


@cache
def _widths(method: str, count: int, fusion: str) -> Mapping[str, int]:
    try:
        build_method(method, tiny_model(count, fusion), OPTIM)
    except ValueError:
        return dict.fromkeys(MODALITIES, WIDTHS["visual"])
    return WIDTHS


@dataclass(frozen=True)
class Case:
    """A method on a fusion and a number of modalities; `segmented`: two samples are one of two
    segments."""

    method: str
    fusion: str
    count: int
    segmented: bool = False

    def __str__(self) -> str:
        return f"{self.method}-{self.fusion}-{self.count}" + "-segments" * self.segmented

    @property
    def modalities(self) -> tuple[str, ...]:
        return MODALITIES[: self.count]

    def model(self, dtype: torch.dtype = torch.float64) -> MultimodalModel:
        model = model_for(self.method, self.count, self.fusion, dtype=dtype)
        if not self.segmented:
            return model
        encoders = {m: PerSegment(encoder) for m, encoder in model.encoders.items()}
        return MultimodalModel(encoders, model.fusion)

    def batches(self, number: int, dtype: torch.dtype = torch.float64) -> list[Batch]:
        batches = tiny_batches(number, self.count, dtype)
        if not self.segmented:
            return batches
        return [
            ({m: x.unflatten(0, (-1, SEGMENTS)) for m, x in inputs.items()}, labels)
            for inputs, labels in batches
        ]

    def build(self, model: MultimodalModel, optim: OptimConfig = OPTIM, **params: Any) -> Method:
        return build_method(self.method, model, optim, **params)


ALL = [Case(m, f, n) for m in sorted(METHODS) for f in ("late", "early") for n in (2, 3)]


def _parameter(case: Case) -> Any:
    reason = METHODS[case.method].unsupported(case.modalities, case.fusion)
    marks = [pytest.mark.skip(reason=f"{case}: {reason}")] if reason else []
    return pytest.param(case, id=str(case), marks=marks)


every_case = pytest.mark.parametrize("case", [_parameter(case) for case in ALL])
with_and_without_segments = pytest.mark.parametrize(
    "case", [_parameter(replace(c, segmented=s)) for c in ALL for s in (False, True)]
)


def begin_epoch(method: Method, batches: list[Batch]) -> None:
    """What the harness does before an epoch's first step; a survey gets the first batch."""
    method.steps_per_epoch = len(batches)
    if method.survey and batches:
        show_features(method, batches[:1])


def train_epochs(method: Method, batches: list[Batch], first: int, last: int) -> None:
    """Epochs `first` to `last` - 1 over the batches, each ended with its validation metrics."""
    for epoch in range(first, last):
        if method.finished:
            return
        begin_epoch(method, batches)
        for inputs, labels in batches:
            method.step(inputs, labels)
        method.end_epoch(val_metrics(method.model.modalities, epoch))
