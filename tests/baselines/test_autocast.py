"""Every relative of SAM under autocast with its cache of weights on, the default."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.registry import build_method
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig
from msam.sharpness import sharpened

RELATIVES: list[tuple[str, dict[str, Any]]] = [
    ("msam", {}),
    ("msam", {"split": "response"}),
    ("msam", {"split": "unimodal"}),
    ("msam", {"scope": "dominant", "residual": "include"}),
    ("msam", {"coalitions": "agm", "absent": "zero_input"}),
    ("msam_random", {}),
    ("sam", {}),
    ("sam_scaled", {}),
    ("asam", {}),
    ("wsam", {}),
    ("monge_sam", {}),
    ("masam", {}),
]


def update(name: str, params: dict[str, Any], rho: float, cache: bool, cast: bool = True) -> Tensor:
    """What one step moves every weight by."""
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(5, (16,), generator=rng)
    inputs = {
        "a": torch.randn(16, 40, generator=rng) + labels[:, None],
        "b": torch.randn(16, 64, generator=rng),
    }
    torch.manual_seed(0)
    encoders = {"a": torch.nn.Linear(40, 32), "b": torch.nn.Linear(64, 32)}
    model = MultimodalModel(encoders, LateFusion({"a": 32, "b": 32}, 5))
    method = build_method(name, model, OptimConfig(lr=0.5, momentum=0), rho=rho, **params)
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    with torch.autocast("cpu", torch.bfloat16, enabled=cast, cache_enabled=cache):
        method.step(inputs, labels)
    return torch.cat([p.detach().flatten() for p in model.parameters()]) - before


def distance(found: Tensor, expected: Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize(("name", "params"), RELATIVES, ids=str)
def test_the_radius_acts_as_in_full_precision(name: str, params: dict[str, Any]) -> None:
    cached = {rho: update(name, params, rho, cache=True) for rho in (0.0, 2.0)}
    full = {rho: update(name, params, rho, cache=True, cast=False) for rho in (0.0, 2.0)}
    assert distance(cached[2.0], update(name, params, 2.0, cache=False)) < 0.01
    effect = distance(full[2.0], full[0.0])
    assert distance(cached[2.0], cached[0.0]) == pytest.approx(effect, rel=0.2)
    assert effect > 0.01


def test_the_next_pass_uses_the_weights_that_came_back() -> None:
    """Within one autocast, as where it is opened around a whole epoch."""
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 3)
    x = torch.randn(4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        before = model(x)
        before.sum().backward()
        with sharpened(model, rho=5.0, share=1):
            inside = model(x)
            inside.sum().backward()
        assert not torch.equal(inside, before)
        assert torch.equal(model(x), before)
