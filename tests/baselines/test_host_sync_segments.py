"""No step waits for the host where samples have segments, as in AVE, or contributions are kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.registry import METHODS, build_method
from msam.model import EarlyFusion, LateFusion, MultimodalModel
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import OPTIM

SEGMENTS, WIDTH, CLASSES = 3, 4, 5


class SegmentEncoder(nn.Module):
    """(B, T, 6) -> (B * T, 4), with an LSTM over the segments."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0].flatten(0, 1)


def _parameter(name: str, fusion: str, count: int) -> Any:
    modalities = ("audio", "visual", "text")[:count]
    reason = METHODS[name].unsupported(modalities, fusion)
    marks = [pytest.mark.skip(reason=f"{name}: {reason}")] if reason else []
    return pytest.param(name, fusion, modalities, marks=marks, id=f"{name}-{fusion}-{count}")


EVERY = [_parameter(n, f, c) for n in sorted(METHODS) for f in ("late", "early") for c in (2, 3)]


@pytest.mark.parametrize(("name", "fusion", "modalities"), EVERY)
def test_step_on_segments_does_not_wait(
    name: str, fusion: str, modalities: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    widths = dict.fromkeys(modalities, WIDTH)
    head = LateFusion(widths, CLASSES) if fusion == "late" else EarlyFusion(widths, CLASSES, (6, 5))
    method = build_method(
        name, MultimodalModel({m: SegmentEncoder() for m in modalities}, head), OPTIM
    )
    labels = torch.randint(CLASSES, (8 * SEGMENTS,))
    for _ in range(2):
        inputs = {m: torch.randn(8, SEGMENTS, 6) for m in modalities}
        with forbidden_host_sync():
            metrics = method.step(inputs, labels)
    assert all(value.ndim == 0 for value in metrics.values())


def test_kept_contributions_do_not_wait_either() -> None:
    encoders = {m: SegmentEncoder() for m in ("audio", "visual")}
    fusion = LateFusion(dict.fromkeys(encoders, WIDTH), CLASSES)
    method = build_method("msam", MultimodalModel(encoders, fusion), OPTIM, refresh=2)
    for _ in range(4):
        inputs = {m: torch.randn(8, SEGMENTS, 6) for m in encoders}
        with forbidden_host_sync():
            method.step(inputs, torch.randint(CLASSES, (8 * SEGMENTS,)))
