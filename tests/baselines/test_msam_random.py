"""The control M-SAM (random): draws of its own, on the simplex, blind to the modalities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.msam_random import RandomMSAM
from baselines.registry import build_method
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import OPTIM, changed, deviation, tiny_batches, tiny_model, train, weights


def _draws(number: int, count: int = 2, seed: int = 0, **params: Any) -> Tensor:
    """(number, M) contributions for one batch of the untouched model."""
    model = tiny_model(count)
    method = RandomMSAM(model, OPTIM, **params)
    method.generator.manual_seed(seed)
    [(inputs, labels)] = tiny_batches(1, count)
    features = model.encode(inputs)
    logits = model.fusion(features)
    found = [method.batch_contributions(inputs, features, logits, labels) for _ in range(number)]
    return torch.stack([torch.stack(list(nu.values())) for nu in found])


@pytest.mark.parametrize(("count", "largest"), [(2, 3 / 4), (3, 11 / 18)])
def test_uniform_draws_fill_the_simplex(count: int, largest: float) -> None:
    """E nu_m = 1 / M, and E max = (1 + ... + 1 / M) / M."""
    draws = _draws(2000, count)
    torch.testing.assert_close(draws.sum(1), torch.ones(2000).double())
    assert (draws >= 0).all()
    torch.testing.assert_close(
        draws.mean(0), torch.full((count,), 1 / count).double(), atol=0.03, rtol=0
    )
    assert draws.amax(1).mean().item() == pytest.approx(largest, abs=0.02)


def test_largest_of_two_uniform_contributions_is_uniform_from_one_half() -> None:
    largest = _draws(2000).amax(1)
    for quantile in (0.25, 0.5, 0.75):
        assert largest.quantile(quantile).item() == pytest.approx(0.5 + quantile / 2, abs=0.03)


def test_permuted_draws_are_the_measured_contributions_in_any_order() -> None:
    draws = _draws(60, 3, draw="permuted")
    [(inputs, labels)] = tiny_batches(1, 3)
    measured = build_method("msam", tiny_model(3), OPTIM).step(inputs, labels)
    expected = torch.stack([measured[f"contribution_{m}"] for m in ("audio", "visual", "text")])
    torch.testing.assert_close(draws.sort(1).values, expected.sort().values.expand(60, 3))
    assert draws.argmax(1).unique().tolist() == [0, 1, 2]


def test_permuted_draws_change_nothing_under_the_scalar_split() -> None:
    """The dominant modality has no influence there, only the size of its contribution."""
    found = []
    for name, params in (("msam_random", {"draw": "permuted"}), ("msam", {})):
        model = tiny_model()
        train(build_method(name, model, OPTIM, rho=0.3, **params), tiny_batches(4))
        found.append(weights(model))
    assert deviation(*found) < 1e-13


def test_permuted_draws_matter_where_the_modality_does() -> None:
    found = []
    for name, params in (("msam_random", {"draw": "permuted"}), ("msam", {})):
        model = tiny_model()
        train(
            build_method(name, model, OPTIM, rho=0.3, scope="dominant", **params), tiny_batches(4)
        )
        found.append(weights(model))
    assert changed(*found)


@pytest.mark.parametrize("draw", ["uniform", "permuted"])
def test_draws_come_from_the_methods_own_generator(draw: str) -> None:
    first, same, other = (_draws(8, 3, seed, draw=draw) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1]) or not torch.equal(first[0], first[2])


@pytest.mark.parametrize(
    "options",
    [{"draw": "permuted"}, {"split": "response"}, {"scope": "dominant", "residual": "include"}],
    ids=str,
)
def test_no_option_waits_for_the_host(options: dict[str, Any]) -> None:
    method = build_method("msam_random", tiny_model(3), OPTIM, **options)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


@pytest.mark.parametrize(
    "option", [{"split": "response"}, {"scope": "dominant"}, {"residual": "include"}], ids=str
)
def test_every_option_reaches_msam(option: dict[str, Any]) -> None:
    found = []
    for params in ({}, option):
        model = tiny_model()
        train(build_method("msam_random", model, OPTIM, rho=0.3, **params), tiny_batches(1))
        found.append(weights(model))
    assert changed(*found)
