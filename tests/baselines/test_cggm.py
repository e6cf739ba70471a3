"""CGGM: the factors, the direction term in both readings, and what the classifiers leave alone."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cggm import CGGM, direction_loss, modulation_factors
from tests.baselines.cases import train_epochs
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import (
    OPTIM,
    STILL,
    changed,
    deviation,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])
PLAIN = {"magnitude": False, "lam": 0.0, "clip": None}


def _f64(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_factor_is_the_share_of_the_others_progress_by_hand() -> None:
    """Gains 2/8 and 1/8: the slower modality gets the larger factor."""
    factors = modulation_factors(_f64(0.75, 0.625), _f64(0.5, 0.5))
    torch.testing.assert_close(factors, _f64(1 / 3, 2 / 3), rtol=1e-6, atol=0)


def test_factors_sum_to_the_number_of_others() -> None:
    factors = modulation_factors(_f64(0.5, 0.25, 0.75), _f64(0.25, 0.375, 0.25))
    assert factors.sum().item() == pytest.approx(2.0, rel=1e-6)


def test_scores_that_stand_still_leave_the_gradient() -> None:
    scores = _f64(0.5, 0.25, 0.75)
    torch.testing.assert_close(modulation_factors(scores, scores), _f64(1, 1, 1))


def test_direction_loss_vanishes_only_for_the_wanted_directions() -> None:
    u, factors = _f64(1, 2, 2), _f64(0.5, -3.0)
    assert direction_loss([u, -u], [2 * u, u], factors).item() == pytest.approx(0.0, abs=1e-12)
    assert direction_loss([u, u], [2 * u, u], factors).item() == pytest.approx((3.0 + 3.0) / 2)


def _gradients(method: CGGM) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in method.model.named_parameters() if p.grad is not None}


def _two_steps(fusion: str, count: int, **params: Any) -> tuple[CGGM, dict[str, Tensor]]:
    """The method after two steps without an update of the model, and the second one's numbers."""
    method = CGGM(tiny_model(count, fusion), STILL, **params)
    train(method, tiny_batches(1, count))
    [_, (inputs, labels)] = tiny_batches(2, count)
    return method, method.step(inputs, labels)


@modalities
@setting
def test_encoders_alone_are_scaled_by_rho_times_their_factor(fusion: str, count: int) -> None:
    plain, _ = _two_steps(fusion, count, **PLAIN)
    scaled, metrics = _two_steps(fusion, count, rho=1.3, lam=0.0, clip=None)
    expected = _gradients(plain)
    for name, gradient in _gradients(scaled).items():
        part, modality, *_ = name.split(".")
        factor = 1.3 * metrics[f"factor_{modality}"] if part == "encoders" else 1.0
        torch.testing.assert_close(gradient, factor * expected[name], msg=name)


def test_factors_compare_this_step_with_the_last() -> None:
    method = CGGM(tiny_model(), OPTIM)
    seen = [method.scores.clone()]
    for inputs, labels in tiny_batches(3):
        metrics = method.step(inputs, labels)
        seen.append(method.scores.clone())
        factors = modulation_factors(seen[-1], seen[-2])
        assert metrics["factor_audio"].item() == pytest.approx(factors[0].item())
    assert not torch.equal(seen[0], seen[1])


def test_score_is_taken_before_the_classifier_is_updated() -> None:
    [(inputs, labels)] = tiny_batches(1)
    method = CGGM(tiny_model(), OPTIM, classifier_lr_ratio=1000.0)
    probe = CGGM(tiny_model(), OPTIM, classifier_lr_ratio=0.0)
    method.step(inputs, labels)
    probe.step(inputs, labels)
    assert torch.equal(method.scores, probe.scores)


@setting
def test_gradient_of_the_model_is_clipped(fusion: str) -> None:
    method, _ = _two_steps(fusion, 2, clip=1e-3)
    norm = torch.stack([g.norm() for g in _gradients(method).values()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-2)


@setting
def test_pull_of_weights_acts_one_step_later_and_on_the_output_layer_only(fusion: str) -> None:
    first = CGGM(tiny_model(2, fusion), STILL, lam=5.0, magnitude=False, clip=None)
    twin = CGGM(tiny_model(2, fusion), STILL, **PLAIN)
    train(first, tiny_batches(1))
    train(twin, tiny_batches(1))
    assert not changed(_gradients(first), _gradients(twin))
    pulls = [pull.clone() for pull in first.pulls]
    [_, batch] = tiny_batches(2)
    first.step(*batch)
    twin.step(*batch)
    difference = {n: g - _gradients(twin)[n] for n, g in _gradients(first).items()}
    outputs = {id(w): pull for w, pull in zip(first.joint_weights, pulls, strict=True)}
    for name, parameter in first.model.named_parameters():
        expected = 5.0 * outputs[id(parameter)] if id(parameter) in outputs else 0.0
        torch.testing.assert_close(difference[name], expected + torch.zeros_like(parameter))
    assert all(pull.any() for pull in pulls)


@modalities
@setting
def test_gradient_direction_is_the_derivative_of_the_loss_of_this_step(
    fusion: str, count: int
) -> None:
    """Against double backward: u_0 written out equals the gradient of the output weights."""
    method, metrics = _two_steps(
        fusion, count, direction="gradients", lam=0.7, magnitude=False, clip=None
    )
    model, found = method.model, _gradients(method)
    [_, (inputs, labels)] = tiny_batches(2, count)
    loss = F.cross_entropy(model(inputs), labels)
    joint = torch.autograd.grad(loss, method.joint_weights, create_graph=True)
    chosen = dict(zip(method.joint_weights, joint, strict=True))
    own = [f[-1].weight.grad for f in method.classifiers.values()]
    factors = torch.stack([metrics[f"factor_{m}"] for m in model.modalities])
    direction = direction_loss(own, [chosen[o.weight] for o in method.outputs.values()], factors)
    torch.testing.assert_close(direction.detach(), metrics["direction_loss"])
    model.zero_grad()
    (loss + 0.7 * direction).backward()
    expected = _gradients(method)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], msg=name)
    assert any(n.startswith("encoders") for n in expected)


def test_factors_can_be_bounded() -> None:
    scores = [_f64(0.5, 0.5), _f64(0.75, 0.25)]
    assert modulation_factors(*scores).abs().max() > 1e6
    method = CGGM(tiny_model(), OPTIM, factor_limit=0.25)
    for inputs, labels in tiny_batches(4):
        metrics = method.step(inputs, labels)
        assert metrics["factor_audio"].abs() <= 0.25 and metrics["factor_visual"].abs() <= 0.25


@modalities
def test_classifier_ends_in_the_shape_of_the_fused_output(count: int) -> None:
    for fusion, layers in (("late", 1), ("early", 3)):
        method, _ = _two_steps(fusion, count)
        for m, f in method.classifiers.items():
            assert f[-1].weight.shape == method.outputs[m].weight.shape
            assert len(f) == layers


@setting
def test_classifiers_have_their_own_constant_learning_rate(fusion: str) -> None:
    method = CGGM(tiny_model(2, fusion), OPTIM, classifier_lr_ratio=0.4)
    train_epochs(method, tiny_batches(1), 0, 3)
    assert method.optimizer.param_groups[0]["lr"] == pytest.approx(0.005)
    assert method.classifier_optimizer.param_groups[0]["lr"] == pytest.approx(0.02)


@setting
def test_classifiers_do_not_touch_the_model(fusion: str) -> None:
    """Their learning rate makes no difference when nothing of them is used."""
    found = []
    for ratio in (0.0, 50.0):
        model = tiny_model(2, fusion)
        train(CGGM(model, OPTIM, classifier_lr_ratio=ratio, **PLAIN), tiny_batches(3))
        found.append(snapshot(model))
    assert not changed(*found)


def test_direction_options_differ() -> None:
    found = []
    for direction in ("weights", "gradients"):
        model = tiny_model()
        train(CGGM(model, OPTIM, direction=direction), tiny_batches(3))
        found.append(weights(model))
    assert deviation(*found) > 1e-6


@setting
def test_gradient_reading_does_not_wait_for_the_host_and_resumes(fusion: str) -> None:
    runs = [CGGM(tiny_model(3, fusion), OPTIM, direction="gradients") for _ in range(2)]
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            runs[0].step(inputs, labels)
    runs[1].model.load_state_dict(runs[0].model.state_dict())
    runs[1].load_state_dict(deepcopy(runs[0].state_dict()))
    for run in runs:
        train(run, tiny_batches(3, 3, seed=2))
    assert not changed(snapshot(runs[0].model), snapshot(runs[1].model))


def test_one_modality_is_not_supported() -> None:
    assert CGGM.unsupported(("audio",), "late") is not None
    assert CGGM.unsupported(("audio", "visual"), "early") is None


def test_state_of_the_next_step_is_updated_in_place() -> None:
    """A step that is replayed as a CUDA graph reads and writes fixed addresses."""
    method = CGGM(tiny_model(), OPTIM)
    before = [t.data_ptr() for t in (method.scores, *method.pulls)]
    train(method, tiny_batches(2))
    assert [t.data_ptr() for t in (method.scores, *method.pulls)] == before
    assert method.scores.any() and method.pulls[0].any()
