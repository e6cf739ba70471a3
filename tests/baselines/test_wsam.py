"""WSAM: a line through SGD and SAM, on which M-SAM lies too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from baselines.registry import build_method
from tests.tiny import OPTIM, Batch, deviation, fixed_msam, tiny_batches, tiny_model, train, weights

BATCHES = tiny_batches(4)
NO_MOMENTUM = replace(OPTIM, momentum=0.0)


def _after(
    name: str, optim: Any = OPTIM, batches: list[Batch] = BATCHES, **params: Any
) -> dict[str, torch.Tensor]:
    model = tiny_model()
    train(build_method(name, model, optim, **params), batches)
    return weights(model)


def test_gamma_one_half_is_sam() -> None:
    assert deviation(_after("wsam", gamma=0.5, rho=0.3), _after("sam", rho=0.3)) < 1e-13


def test_zero_radius_is_plain_descent() -> None:
    for form in ("coupled", "decoupled"):
        assert not deviation(_after("wsam", rho=0.0, form=form), _after("joint_train"))


@pytest.mark.parametrize("share", [0.55, 0.8, 1.0])
def test_msam_is_wsam_with_gamma_from_its_largest_contribution(share: float) -> None:
    model = tiny_model()
    shares = {"audio": 1 - share, "visual": share}
    train(fixed_msam(model, OPTIM, shares, rho=0.3), BATCHES)
    found = _after("wsam", rho=0.3, gamma=share / (1 + share))
    assert deviation(found, weights(model)) < 1e-13


def test_default_extrapolates_nine_times() -> None:
    """theta - lr (g + 9 (g1 - g)), from one step of SGD and one of SAM."""
    first = BATCHES[:1]
    descent = _after("joint_train", NO_MOMENTUM, first)
    sam = _after("sam", NO_MOMENTUM, first, rho=0.3)
    expected = {n: descent[n] + 9 * (sam[n] - descent[n]) for n in descent}
    assert deviation(_after("wsam", NO_MOMENTUM, first, rho=0.3), expected) < 1e-13


def test_forms_agree_without_momentum_and_differ_with_it() -> None:
    def both(optim: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        options = {"rho": 0.3, "gamma": 0.6}
        return tuple(_after("wsam", optim, form=f, **options) for f in ("coupled", "decoupled"))

    assert deviation(*both(NO_MOMENTUM)) < 1e-13
    assert deviation(*both(OPTIM)) > 1e-4
