"""ASAM: the size of a weight decides how far it moves; the two forms differ in what a size is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.registry import build_method
from msam.model import LateFusion, MultimodalModel
from tests.tiny import OPTIM, changed, deviation, tiny_batches, tiny_model, watched_passes, weights


def _perturbation(model: MultimodalModel, **params: Any) -> dict[str, Tensor]:
    """theta + eps - theta of the first tiny step."""
    with watched_passes(model) as passes:
        build_method("asam", model, OPTIM, **params).step(*tiny_batches()[0])
    clean, moved = passes
    return {n: moved[n] - clean[n] for n in clean}


def _scalar_model(weight: tuple[float, float], bias: tuple[float, float]) -> MultimodalModel:
    """Logits weight * x + bias of one input."""
    model = MultimodalModel({"audio": nn.Identity()}, LateFusion({"audio": 1}, 2)).double()
    head = model.fusion.heads["audio"]
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weight)[:, None])
        head.bias.copy_(torch.tensor(bias))
    return model


@pytest.mark.parametrize(
    ("form", "direction", "squared"),
    [
        # T = (3, 3, 2, 2): T g = (-3, 3, -1, 1) of squared length 20
        ("davda", [-9.0, 9.0, -2.0, 2.0], 20.0),
        # T = (3.5, 3.5, 1, 1) with eta = 1/2: T g = (-3.5, 3.5, -0.5, 0.5) of squared length 25
        ("samsung", [-12.25, 12.25, -0.5, 0.5], 25.0),
    ],
)
def test_perturbation_worked_by_hand(form: str, direction: list[float], squared: float) -> None:
    """Equal logits: g = (-x / 2, x / 2, -1/2, 1/2), and x = 2. eps = rho T^2 g / ||T g||."""
    model = _scalar_model((3.0, 3.0), (2.0, 2.0))
    seen: list[Tensor] = []
    head = model.fusion.heads["audio"]
    head.register_forward_pre_hook(
        lambda *_: seen.append(torch.cat([head.weight.flatten(), head.bias]).detach().clone())
    )
    method = build_method("asam", model, OPTIM, form=form, eta=0.5, rho=0.1)
    method.step({"audio": torch.tensor([[2.0]], dtype=torch.float64)}, torch.tensor([0]))
    found = (seen[1] - seen[0]).tolist()
    assert found == pytest.approx([0.1 * d / math.sqrt(squared) for d in direction])


def test_weights_of_size_one_make_it_sam() -> None:
    """The davda form, where every |w| is 1: T is the identity."""
    model, twin = tiny_model(), tiny_model()
    with torch.no_grad():
        for p in (*model.parameters(), *twin.parameters()):
            p.copy_(torch.where(p < 0, -1.0, 1.0))
    [batch] = tiny_batches()
    build_method("asam", model, OPTIM, form="davda", rho=0.3).step(*batch)
    build_method("sam", twin, OPTIM, rho=0.3).step(*batch)
    assert deviation(weights(model), weights(twin)) < 1e-13


def test_davda_form_never_perturbs_a_weight_of_zero() -> None:
    """BatchNorm's biases start at zero; the authors' form moves them."""
    name = "encoders.audio.1.bias"
    assert not weights(tiny_model())[name].any()
    assert not _perturbation(tiny_model(), form="davda")[name].any()
    assert _perturbation(tiny_model(), form="samsung")[name].any()


def test_eta_concerns_the_authors_form_alone() -> None:
    davda = [_perturbation(tiny_model(), form="davda", eta=eta) for eta in (0.0, 1.0)]
    samsung = [_perturbation(tiny_model(), form="samsung", eta=eta) for eta in (0.0, 1.0)]
    assert not changed(*davda)
    assert changed(*samsung)


def test_authors_form_is_the_default() -> None:
    given = {"form": "samsung", "eta": 0.01, "rho": 0.5}
    assert not changed(_perturbation(tiny_model()), _perturbation(tiny_model(), **given))
