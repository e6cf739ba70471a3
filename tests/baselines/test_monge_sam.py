"""Monge SAM: SAM whose radius shrinks where the gradient is large."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from baselines.registry import build_method
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.tiny import OPTIM, deviation, tiny_batches, tiny_model, watched_passes, weights


def _gradient_norm() -> float:
    """That of the tiny model on the first tiny batch, recomputed from a step of descent."""
    model, plain = tiny_model(), OptimConfig(lr=1.0, momentum=0.0, weight_decay=0.0)
    before = weights(model)
    build_method("joint_train", model, plain).step(*tiny_batches()[0])
    after = weights(model)
    return math.sqrt(sum((before[n] - after[n]).square().sum().item() for n in before))


def test_radius_shrinks_with_the_gradient() -> None:
    norm = _gradient_norm()
    assert norm > 0.1
    model = tiny_model()
    with watched_passes(model) as passes:
        build_method("monge_sam", model, OPTIM, rho=0.3).step(*tiny_batches()[0])
    clean, moved = passes
    length = math.sqrt(sum((moved[n] - clean[n]).square().sum().item() for n in clean))
    assert length == pytest.approx(0.3 / math.sqrt(1 + norm**2), rel=1e-9)


def test_step_is_that_of_sam_with_the_smaller_radius() -> None:
    [batch] = tiny_batches()
    radius = 0.3 / math.sqrt(1 + _gradient_norm() ** 2)
    model, twin = tiny_model(), tiny_model()
    build_method("monge_sam", model, OPTIM, rho=0.3).step(*batch)
    build_method("sam", twin, OPTIM, rho=radius).step(*batch)
    assert deviation(weights(model), weights(twin)) < 1e-14


def test_radius_worked_by_hand() -> None:
    """One input x with x^2 = 29, two classes, zero weights: the gradient is -+ x / 2 in the weights
    and -+ 1 / 2 in the biases, ||g||^2 = (29 + 1) / 2 = 15, and the radius rho / sqrt(16)."""
    x = math.sqrt(29)
    model = MultimodalModel({"audio": nn.Identity()}, LateFusion({"audio": 1}, 2)).double()
    nn.init.zeros_(model.fusion.heads["audio"].weight)
    nn.init.zeros_(model.fusion.heads["audio"].bias)
    method = build_method("monge_sam", model, OPTIM, rho=1.0)
    inputs = {"audio": torch.tensor([[x]], dtype=torch.float64)}
    with watched_passes(model) as passes:
        method.step(inputs, torch.tensor([0]))
    clean, moved = passes
    length = math.sqrt(sum((moved[n] - clean[n]).square().sum().item() for n in clean))
    assert length == pytest.approx(0.25)
