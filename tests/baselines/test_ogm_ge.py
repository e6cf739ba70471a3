"""OGM-GE: coefficients, noise, window, what is touched, more than two modalities."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.joint_train import JointTrain
from baselines.ogm_ge import OGMGE, confidence, pairwise_coefficients
from msam.method import Method
from msam.model import LateFusion, MultimodalModel
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.resuming import differences_after_resuming
from tests.golden_format import f64
from tests.tiny import OPTIM, STILL, changed, tiny_batches, tiny_model, train, weights

LABELS = torch.zeros(4, dtype=torch.long)


class OnesAsNoise(OGMGE):
    """OGM-GE whose standard normal entries are all one."""

    def standard_normal(self, like: Tensor) -> Tensor:
        return torch.ones_like(like)


def _ratio(first: float, second: float, alpha: float) -> list[float]:
    scores = {m: f64(s) for m, s in (("audio", first), ("visual", second))}
    return [k.item() for k in pairwise_coefficients(scores, alpha).values()]


def test_stronger_modality_is_slowed_by_its_ratio() -> None:
    slowed = 1 - math.tanh(0.5 * 2)
    assert _ratio(1, 2, alpha=0.5) == pytest.approx([1, slowed])
    assert _ratio(2, 1, alpha=0.5) == pytest.approx([slowed, 1])


def test_a_tie_slows_the_first_modality() -> None:
    """There is no dead zone at 1: the coefficient jumps to 1 - tanh(alpha)."""
    assert _ratio(3, 3, alpha=0.8) == pytest.approx([1 - math.tanh(0.8), 1])
    barely = [1, 1 - math.tanh(0.8)]
    assert _ratio(3, 3 + 1e-9, alpha=0.8) == pytest.approx(barely, abs=1e-6)


def test_a_vanishing_score_stops_the_other_modality() -> None:
    assert _ratio(0, 1, alpha=0.1) == [1, 0]
    assert _ratio(1, 0, alpha=0.1) == [0, 1]


def test_undefined_coefficients_count_as_one() -> None:
    method = OGMGE(tiny_model(), OPTIM, alpha=0.8)
    logits = torch.tensor([[-1e4, 0.0, 0.0]], dtype=torch.float64)
    found = method.coefficients({"audio": logits, "visual": logits}, torch.tensor([0]))
    assert [k.item() for k in found.values()] == [1, 1]


def test_confidence_sums_true_class_probabilities() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    assert confidence(logits, torch.tensor([0, 1])).item() == pytest.approx(3 / 4 + 1 / 2)


def _modulated(gradient: Tensor, coefficient: float, **params: Any) -> Tensor:
    """What is left in `.grad` of the only weight of the first of two encoders."""
    encoders = {m: nn.Module() for m in ("audio", "visual")}
    for encoder in encoders.values():
        encoder.register_parameter("weight", nn.Parameter(torch.zeros_like(gradient)))
        encoder.weight.grad = gradient.clone()
    model = MultimodalModel(encoders, LateFusion({}, 2))
    method = OnesAsNoise(model, STILL, **params)
    method.modulate({"audio": torch.tensor(coefficient).double(), "visual": torch.tensor(1.0)})
    return encoders["audio"].weight.grad


GRADIENT = torch.tensor([[1.0, 3.0]], dtype=torch.float64)  # standard deviation sqrt(2), N - 1


def test_noise_has_the_spread_of_the_gradient_before_scaling() -> None:
    expected = 0.25 * GRADIENT + math.sqrt(2) + 1e-8
    torch.testing.assert_close(_modulated(GRADIENT, 0.25), expected, rtol=1e-12, atol=0)


def test_noise_is_added_at_coefficient_one_too() -> None:
    expected = GRADIENT + math.sqrt(2) + 1e-8
    torch.testing.assert_close(_modulated(GRADIENT, 1.0), expected, rtol=1e-12, atol=0)


def test_zero_gradient_gets_a_little_noise() -> None:
    assert _modulated(0 * GRADIENT, 1.0).tolist() == [[1e-8, 1e-8]]


def test_without_noise_only_the_coefficient_is_left() -> None:
    assert torch.equal(_modulated(GRADIENT, 0.25, noise=False), 0.25 * GRADIENT)


def test_single_entry_has_no_noise() -> None:
    assert _modulated(GRADIENT[:, :1], 0.25).tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("scope", "touched"), [("conv", {4}), ("matrices", {2, 4}), ("all", {1, 2, 4})]
)
def test_scope_chooses_by_dimensions(scope: str, touched: set[int]) -> None:
    for dimensions in (1, 2, 4):
        shape = {1: (16,), 2: (4, 4), 4: (2, 2, 2, 2)}[dimensions]
        gradient = torch.arange(16.0).double().reshape(shape)
        found = _modulated(gradient, 0.5, scope=scope, noise=False)
        assert torch.equal(found, 0.5 * gradient if dimensions in touched else gradient)


def _gradient(method: Method) -> dict[str, Tensor]:
    train(method, tiny_batches(1, len(method.model.modalities)))
    return {n: p.grad for n, p in method.model.named_parameters()}


def test_only_encoder_weights_are_modulated_each_by_its_modality() -> None:
    plain = _gradient(JointTrain(tiny_model(), STILL))
    method = OGMGE(tiny_model(), STILL, noise=False)
    found = _gradient(method)
    [(inputs, labels)] = tiny_batches()
    model = tiny_model()
    own = model.fusion.modality_logits(model.encode(inputs))
    scores = {m: confidence(z, labels) for m, z in own.items()}
    factors = pairwise_coefficients(scores, 0.8)
    assert sorted(k.item() < 1 for k in factors.values()) == [False, True]
    for name, g in plain.items():
        modality = name.split(".")[1]
        scaled = name.startswith("encoders") and g.ndim > 1
        expected = factors[modality] * g if scaled else g
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=0, msg=name)


def test_noise_reaches_both_encoders_and_nothing_else() -> None:
    plain = _gradient(JointTrain(tiny_model(), STILL))
    found = _gradient(OGMGE(tiny_model(), STILL, alpha=0.0))
    assert changed(plain, found) == {"encoders.audio.0.weight", "encoders.visual.0.weight"}


def test_noise_comes_from_the_methods_own_generator() -> None:
    found = []
    for seed in (1, 1, 2):
        method = OGMGE(tiny_model(), STILL)
        method.generator.manual_seed(seed)
        found.append(_gradient(method))
    assert not changed(found[0], found[1])
    assert changed(found[0], found[2])


def test_noise_has_unit_variance() -> None:
    method = OGMGE(tiny_model(), STILL)
    drawn = method.standard_normal(torch.empty(100_000))
    assert drawn.std().item() == pytest.approx(1, abs=0.01)
    assert drawn.mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("epoch", range(5))
def test_window_includes_both_ends(epoch: int) -> None:
    model, twin = tiny_model(), tiny_model()
    method = OGMGE(model, OPTIM, modulation_starts=1, modulation_ends=3)
    method.epoch = epoch
    train(method, tiny_batches())
    train(JointTrain(twin, OPTIM), tiny_batches())
    assert bool(changed(weights(twin), weights(model))) == (1 <= epoch <= 3)


def test_more_than_two_modalities_are_refused_unless_asked_for() -> None:
    names = ("audio", "visual", "text")
    with pytest.raises(ValueError, match="beyond_two=averaged"):
        OGMGE(tiny_model(3), OPTIM)
    assert "beyond_two=averaged" in (OGMGE.unsupported(names, "late") or "")
    assert OGMGE.unsupported(names, "late", beyond_two="averaged") is None
    assert "early fusion" in (OGMGE.unsupported(names, "early", beyond_two="averaged") or "")
    assert OGMGE.unsupported(("audio",), "late", beyond_two="averaged")
    OGMGE(tiny_model(3), OPTIM, beyond_two="averaged")


@pytest.mark.parametrize("options", [{}, {"noise": False}, {"scope": "all"}], ids=str)
def test_three_modalities_train_and_resume(options: dict[str, Any]) -> None:
    def build() -> OGMGE:
        return OGMGE(tiny_model(3), OPTIM, beyond_two="averaged", modulation_ends=2, **options)

    method = build()
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            metrics = method.step(inputs, labels)
        assert all(torch.isfinite(value) for value in metrics.values())
    assert not differences_after_resuming(build, tiny_batches(2, 3), 2, 5)


def test_three_equal_modalities_are_left_alone() -> None:
    method = OGMGE(tiny_model(3), OPTIM, beyond_two="averaged")
    logits = torch.zeros(4, 3, dtype=torch.float64)
    found = method.coefficients(dict.fromkeys(("audio", "visual", "text"), logits), LABELS)
    assert [k.item() for k in found.values()] == [1, 1, 1]
