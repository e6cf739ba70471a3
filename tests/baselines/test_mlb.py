"""MLB: the factors, what they reach, and the vectors made with its published code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.mlb import MLB, learning_rate_factors, true_class_probability
from msam.model import MultimodalModel
from tests.baselines.tanh_networks import (
    batch_of,
    encoders_of,
    late_fusion,
    named_parameters,
    optim_of,
    with_shared_bias,
)
from tests.golden_format import assert_golden, assert_parameters, f64, golden, load
from tests.tiny import OPTIM, STILL, changed, tiny_batches, tiny_model, train, weights

Case = dict[str, Any]
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])


@golden("mlb_factors")
def test_factors_are_the_published_ones(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    labels = torch.tensor(given["labels"])
    scores = torch.stack([true_class_probability(f64(u), labels) for u in given["logits"]])
    assert_golden(scores, expected["scores"], "scores")
    factors = learning_rate_factors(scores, given["alpha"], given["beta"])
    assert_golden(factors, expected["factors"], "factors")


def _golden_method(given: Case) -> tuple[MLB, dict[str, Tensor]]:
    """The file's network under MLB, and its live parameters under the file's names."""
    values = given["init"]
    encoders = encoders_of(values)
    model = MultimodalModel(encoders, late_fusion(values))
    method = MLB(model, optim_of(given), alpha=given["alpha"], beta=given["beta"])
    for m, head in method.heads.items():  # gives its weights their shape
        head(f64([[0.0] * len(values[f"encoder{m}.weight"])]))
    named = with_shared_bias(named_parameters(model, method.heads), values)
    load(named, values)
    return method, named


@golden("mlb_trajectory")
def test_trajectory_is_the_published_one(case: Case) -> None:
    given = case["inputs"]
    method, named = _golden_method(given)
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        metrics = method.step(*batch_of(batch))
        assert_golden(metrics["loss_mm"], expected["loss_mm"], "loss_mm")
        for kind, values in (("loss", expected["losses"]), ("factor", expected["factors"])):
            for m, value in zip(method.model.modalities, values, strict=True):
                assert_golden(metrics[f"{kind}_{m}"], value, f"{kind}_{m}")
        assert_parameters(named, expected["params"])


def test_a_weaker_modality_learns_faster_by_hand() -> None:
    slow, fast = learning_rate_factors(f64([0.5, 0.25]), alpha=0.8, beta=None).tolist()
    assert slow == pytest.approx(1 + math.tanh(0.8 * (0.5 - 1)))
    assert fast == pytest.approx(1 + math.tanh(0.8 * (2 - 1)))


def test_beta_bounds_the_weaker_modality_only() -> None:
    slow, fast = learning_rate_factors(f64([0.5, 0.25]), alpha=0.8, beta=10.0).tolist()
    assert slow == pytest.approx(1 + math.tanh(0.8 * (0.5 - 1)))
    assert fast == pytest.approx(1 + 9 * math.tanh(0.8))


def test_balanced_scores_leave_the_learning_rates_alone() -> None:
    found = learning_rate_factors(f64([0.3] * 3), alpha=2.0, beta=5.0)
    torch.testing.assert_close(found, f64([1.0] * 3))


@pytest.mark.parametrize("scores", [[0.0, 0.0], [0.0, 0.0, 0.0]], ids=len)
def test_undefined_factors_count_as_one(scores: list[float]) -> None:
    assert learning_rate_factors(f64(scores), alpha=0.8, beta=None).tolist() == [1.0] * len(scores)


@modalities
@setting
def test_factors_reach_the_encoder_its_heads_and_no_bias_of_the_fusion(
    fusion: str, count: int
) -> None:
    """Against the gradient of the summed loss on the same weights."""
    [(inputs, labels)] = tiny_batches(1, count)
    method, twin = (MLB(tiny_model(count, fusion), STILL) for _ in range(2))
    features = twin.model.encode(inputs)
    logits = [twin.model.fusion(features)]
    logits += [head(features[m]) for m, head in twin.heads.items()]
    sum(F.cross_entropy(z, labels) for z in logits).backward()
    metrics = method.step(inputs, labels)
    factors = {m: metrics[f"factor_{m}"] for m in method.model.modalities}
    assert len({round(c.item(), 6) for c in factors.values()}) == count
    for part, expected in ((method.model, twin.model), (method.heads, twin.heads)):
        pairs = zip(part.named_parameters(), expected.parameters(), strict=True)
        for (name, found), plain in pairs:
            owner = next((m for m in factors if m in name.split(".")), None)
            shared = owner is None or (name.startswith("fusion") and name.endswith("bias"))
            factor = 1.0 if shared else factors[owner]
            torch.testing.assert_close(found.grad, factor * plain.grad, msg=name)


@setting
def test_without_unimodal_losses_their_heads_stand_still(fusion: str) -> None:
    method = MLB(tiny_model(2, fusion), STILL, w_aux=0.0)
    train(method, tiny_batches(1))
    assert all(p.grad is None for p in method.heads.parameters())


def test_one_modality_is_not_supported() -> None:
    assert MLB.unsupported(("audio",), "late") is not None
    assert MLB.unsupported(("audio", "visual", "text"), "early") is None


@pytest.mark.parametrize("w_aux", [0.0, 1.0])
@setting
def test_a_frozen_encoder_stays_and_the_others_learn(fusion: str, w_aux: float) -> None:
    model = tiny_model(2, fusion)
    model.encoders["audio"].requires_grad_(False)
    before = weights(model)
    train(MLB(model, OPTIM, w_aux=w_aux), tiny_batches(1))
    moved = {name.rsplit(".", 2)[0] for name in changed(before, weights(model))}
    assert "encoders.visual" in moved and "encoders.audio" not in moved
