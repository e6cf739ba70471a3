"""Every method on samples of T segments, whose encoders give (B * T, D_m)."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.registry import METHODS, build_method
from benchmarks.models import build_model
from msam.model import EarlyFusion, Inputs, LateFusion, MultimodalModel, evaluating
from tests.baselines.cases import ALL, SEGMENTS, Case, train_epochs
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import OPTIM, snapshot

EPOCHS = 10  # past the first boosting and rectification
SHAPES = {"audio": (SEGMENTS, 3), "visual": (SEGMENTS, 2, 2, 4)}


class Positioned(nn.Module):
    """An encoder that tells the segments apart: (B, T, D) -> (B * T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.arange(1.0, SEGMENTS + 1)[:, None].repeat(1, width))
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.scale + self.positions).flatten(0, 1)


def _settings() -> list[Any]:
    """Every method that takes the fusion, as it is and with the other stand-ins for absence."""
    settings = []
    for case in ALL:
        if case.count > 2 or METHODS[case.method].unsupported(case.modalities, case.fusion):
            continue
        options = inspect.signature(METHODS[case.method].__init__).parameters
        variants: list[dict[str, str]] = [{}]
        if "absent" in options:
            variants += [{"absent": kind} for kind in ("zero_feature", "zero_input")]
        if "coalitions" in options:
            variants += [{"coalitions": kind} for kind in ("first_pass", "agm")]
        for params in variants:
            name = "-".join([str(case), *params.values()])
            settings.append(pytest.param(case, params, id=name))
    return settings


@pytest.mark.parametrize(("case", "params"), _settings())
def test_segments_that_are_encoded_one_by_one_train_like_samples(
    case: Case, params: dict[str, str]
) -> None:
    models = []
    for each in (case, replace(case, segmented=True)):
        models.append(each.model())
        train_epochs(each.build(models[-1], **params), each.batches(1), 0, EPOCHS)
    flat, folded = (model.parameters() for model in models)
    for expected, found in zip(flat, folded, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def positioned_model(fusion: str) -> tuple[MultimodalModel, Inputs, Tensor]:
    """A model whose encoding of zeros differs from segment to segment, and a batch of three."""
    torch.manual_seed(0)
    widths = {"audio": 3, "visual": 4}
    head = LateFusion(widths, 3) if fusion == "late" else EarlyFusion(widths, 3, (6, 5), 0.0)
    model = MultimodalModel({m: Positioned(w) for m, w in widths.items()}, head)
    inputs = {m: torch.randn(3, SEGMENTS, w) for m, w in widths.items()}
    return model, inputs, torch.tensor([0, 1, 2, 0, 1, 2])


def alone(model: MultimodalModel, inputs: Inputs, present: str) -> Tensor:
    """The logits (B * T, C) where every other modality's input is zero, in evaluation mode."""
    zeroed = {m: x if m == present else torch.zeros_like(x) for m, x in inputs.items()}
    with evaluating(model):
        return model(zeroed)


@pytest.mark.parametrize("coalitions", ["first_pass", "agm"])
@pytest.mark.parametrize("fusion", ["late", "early"])
def test_agm_puts_every_segment_of_a_zero_input_in_its_place(fusion: str, coalitions: str) -> None:
    model, inputs, _ = positioned_model(fusion)
    method = build_method("agm", model, OPTIM, coalitions=coalitions, absent="zero_input")
    features = model.encode(inputs)
    logits = model.fusion(features)
    responses = method.responses(inputs, features, logits)
    audio, visual = alone(model, inputs, "audio"), alone(model, inputs, "visual")
    torch.testing.assert_close(responses["audio"], (audio + logits - visual) / 2)
    torch.testing.assert_close(responses["visual"], (visual + logits - audio) / 2)


@pytest.mark.parametrize("fusion", ["late", "early"])
def test_recon_boost_puts_every_segment_of_a_zero_input_in_its_place(fusion: str) -> None:
    model, inputs, labels = positioned_model(fusion)
    method = build_method("reconboost", model, OPTIM, absent="zero_input")
    features, absent = method._encode(inputs, ("audio",))
    with evaluating(model):
        expected = model.encoders["visual"](torch.zeros_like(inputs["visual"]))
        torch.testing.assert_close(features["visual"], expected)
        torch.testing.assert_close(absent["visual"], expected[:SEGMENTS])
    method.step(inputs, labels)


SUPPORTED = [
    (name, fusion)
    for name in sorted(METHODS)
    for fusion in ("late", "early")
    if METHODS[name].unsupported(("audio", "visual"), fusion) is None
]


@pytest.mark.parametrize(("name", "fusion"), SUPPORTED)
def test_every_method_trains_the_segment_encoders_without_waiting_for_the_host(
    name: str, fusion: str
) -> None:
    torch.manual_seed(0)
    model = build_model(SHAPES, 3, fusion, "small_segment_lstm")
    method = build_method(name, model, OPTIM)
    inputs = {m: torch.randn(6, *shape) for m, shape in SHAPES.items()}
    labels = torch.arange(6 * SEGMENTS) % 3
    before = snapshot(model)
    method.step(inputs, labels)  # the first one may build layers whose width it finds out
    with forbidden_host_sync():
        metrics = method.step(inputs, labels)
    assert all(torch.isfinite(value) for value in metrics.values())
    moved = {n for n, value in snapshot(model).items() if not torch.equal(value, before[n])}
    assert any(n.startswith("encoders.audio.lstm") for n in moved)
