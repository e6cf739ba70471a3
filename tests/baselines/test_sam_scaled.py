"""The control SAM (scaled): SAM with another radius, and M-SAM's first-order twin."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from baselines.registry import build_method
from msam.model import LateFusion, MultimodalModel
from tests.tiny import (
    OPTIM,
    changed,
    deviation,
    fixed_msam,
    tiny_batches,
    tiny_model,
    train,
    weights,
)


def _after(name: str, **params: Any) -> dict[str, torch.Tensor]:
    model = tiny_model()
    train(build_method(name, model, OPTIM, **params), tiny_batches(3))
    return weights(model)


def test_it_is_sam_with_the_product_as_radius() -> None:
    assert not changed(_after("sam_scaled", rho=0.2, factor=0.6), _after("sam", rho=0.2 * 0.6))


def test_factor_one_is_sam_and_zero_plain_descent() -> None:
    assert not changed(_after("sam_scaled", rho=0.2, factor=1.0), _after("sam", rho=0.2))
    assert not changed(_after("sam_scaled", rho=0.2, factor=0.0), _after("joint_train"))


def _smooth_model() -> MultimodalModel:
    """Without kinks, on which an expansion in rho holds."""
    torch.manual_seed(0)
    encoders = {m: nn.Sequential(nn.Flatten(), nn.LazyLinear(4), nn.Tanh()) for m in "ab"}
    model = MultimodalModel(encoders, LateFusion({"a": 4, "b": 4}, 3)).double()
    model({"a": torch.zeros(1, 5).double(), "b": torch.zeros(1, 6).double()})
    return model


def _gap(rho: float) -> float:
    """How far one step of M-SAM with nu_d = 0.6 is from SAM with radius 0.6 rho."""
    torch.manual_seed(1)
    inputs = {"a": torch.randn(8, 5).double(), "b": torch.randn(8, 6).double()}
    labels = torch.randint(3, (8,))
    models = [_smooth_model() for _ in range(2)]
    fixed_msam(models[0], OPTIM, {"a": 0.4, "b": 0.6}, rho=rho).step(inputs, labels)
    build_method("sam_scaled", models[1], OPTIM, rho=rho, factor=0.6).step(inputs, labels)
    return deviation(*map(weights, models))


def test_msam_differs_from_it_in_second_order_only() -> None:
    """Halving rho divides the difference by four."""
    assert 3.5 < _gap(0.02) / _gap(0.01) < 4.5
