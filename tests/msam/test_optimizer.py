"""`MSAMOptimizer`: the same step where the loop owns the closure."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msam.optimizer import MSAMOptimizer
from msam.sharpness import sharpened
from tests.tiny import changed, snapshot

X, Y = torch.randn(8, 6), torch.randn(8, 2)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))


def groups(model: nn.Module) -> list[dict[str, object]]:
    """Two groups with rates of their own."""
    return [{"params": model[0].parameters()}, {"params": model[3].parameters(), "lr": 0.02}]


def build(model: nn.Module) -> tuple[MSAMOptimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = MSAMOptimizer(model, torch.optim.AdamW(groups(model), 0.05), rho=0.3)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)


def train(model: nn.Module, optimizer: MSAMOptimizer, schedule: object, steps: int) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        # What is set at theta + eps must not count.
        optimizer.share = 99.0 if optimizer.in_second_pass else 0.6
        return loss

    for _ in range(steps):
        with torch.no_grad():
            expected = F.mse_loss(copy.deepcopy(model)(X), Y)
        assert torch.equal(optimizer.step(closure), expected)
        schedule.step()


def test_it_equals_sharpened_with_groups_and_schedule() -> None:
    model, twin = net(), net()
    train(model, *build(model), steps=4)
    plain = torch.optim.AdamW(groups(twin), 0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(plain, 10)
    twin[1].requires_grad_(False)  # the optimiser does not hold it
    for _ in range(4):
        plain.zero_grad()
        F.mse_loss(twin(X), Y).backward()
        with sharpened(twin, rho=0.3, share=0.6):
            F.mse_loss(twin(X), Y).backward()
        plain.step()
        schedule.step()
    assert not changed(snapshot(twin), snapshot(model))


def test_resumed_training_equals_an_undisturbed_one() -> None:
    model = net()
    optimizer, schedule = build(model)
    train(model, optimizer, schedule, 2)
    resumed = copy.deepcopy(model)
    other, other_schedule = build(resumed)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    other_schedule.load_state_dict(schedule.state_dict())
    train(model, optimizer, schedule, 3)
    train(resumed, other, other_schedule, 3)
    assert not changed(snapshot(model), snapshot(resumed))


def test_it_is_sam_until_a_share_is_set() -> None:
    model, twin = net(), net()
    optimizer, _ = build(model)
    twin[1].requires_grad_(False)
    F.mse_loss(twin(X), Y).backward()
    with sharpened(twin, rho=0.3, share=1):
        F.mse_loss(twin(X), Y).backward()
    torch.optim.AdamW(groups(twin), 0.05).step()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert not changed(snapshot(twin), snapshot(model))


def test_a_wrapped_optimizer_keeps_its_state_and_takes_new_groups() -> None:
    model = net()
    base = torch.optim.AdamW(model[0].parameters(), 0.05)
    F.mse_loss(model(X), Y).backward()
    base.step()
    optimizer = MSAMOptimizer(model, base, rho=0.3)
    assert optimizer.state is base.state and base.state
    optimizer.add_param_group({"params": list(model[3].parameters()), "lr": 0.01})
    assert base.param_groups is optimizer.param_groups and len(base.param_groups) == 2


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="rho is -1"):
        MSAMOptimizer(net(), torch.optim.SGD(net().parameters(), 0.1), rho=-1.0)


def test_a_step_without_closure_says_what_to_use() -> None:
    """As a GradScaler calls it."""
    optimizer, _ = build(net())
    with pytest.raises(ValueError, match="closure"):
        optimizer.step()
