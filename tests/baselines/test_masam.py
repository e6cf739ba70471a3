"""MASAM: worked numbers of its two pieces, a literal transcription of its step, and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.alignment import ascent, loss_decay
from baselines.masam import MASAM
from baselines.registry import build_method
from msam.losses import modality_losses
from msam.model import MultimodalModel
from msam.shapley import dominant_mask
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import (
    OPTIM,
    Batch,
    changed,
    deviation,
    tiny_batches,
    tiny_model,
    train,
    watched_passes,
    weights,
)

both = pytest.mark.parametrize(
    ("count", "fusion"), [(2, "late"), (3, "late"), (2, "early"), (3, "early")]
)


def _vectors(*values: list[float]) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def _losses(model: MultimodalModel, batch: Batch) -> tuple[Tensor, Tensor]:
    inputs, labels = batch
    features = model.encode(inputs)
    fused = F.cross_entropy(model.fusion(features), labels)
    absent = model.absent_features(inputs, features, "zero_feature")
    return fused, modality_losses("unimodal", model, features, absent, labels)


def test_alignment_and_scale_worked_by_hand() -> None:
    """cos((3, 4), (4, 3)) = 24 / 25, and the perturbation follows the fusion gradient (3, 4)."""
    found = ascent(_vectors([3.0, 4.0]), _vectors([4.0, 3.0]))
    assert found.gamma.item() == pytest.approx(0.96)
    assert found.scale.item() == pytest.approx(0.96)
    assert found.direction[0].tolist() == [3.0, 4.0]


def test_concatenated_cosine_is_not_the_mean_of_the_cosines() -> None:
    fused, alone = _vectors([1.0], [10.0]), _vectors([1.0], [-10.0])
    assert ascent(fused, alone).gamma.item() == pytest.approx(-99 / 101)
    assert ascent(fused, alone, gamma="tensor_mean").gamma.item() == pytest.approx(0.0)


@pytest.mark.parametrize(("conflict", "scale"), [("clamp0", 0.0), ("signed", -1.0), ("full", 1.0)])
def test_scale_where_the_gradients_conflict(conflict: Any, scale: float) -> None:
    found = ascent(_vectors([3.0, 4.0]), _vectors([-6.0, -8.0]), conflict=conflict)
    assert found.scale.item() == pytest.approx(scale)
    assert found.direction[0].tolist() == [3.0, 4.0]


def test_released_code_projects_tensor_by_tensor() -> None:
    """<u, g> / |g|^2 = 2 / 4 for the first tensor; the second conflicts and keeps all of g."""
    fused, alone = _vectors([2.0, 0.0], [0.0, 3.0]), _vectors([1.0, 5.0], [7.0, -1.0])
    found = ascent(fused, alone, conflict="full")
    assert [d.tolist() for d in found.direction] == [[1.0, 0.0], [0.0, 3.0]]


def test_released_code_scales_by_its_last_tensor() -> None:
    fused, alone = _vectors([1.0, 0.0], [3.0, 4.0]), _vectors([-1.0, 0.0], [4.0, 3.0])
    assert ascent(fused, alone, scale="last_tensor").scale.item() == pytest.approx(0.96)
    assert ascent(fused, alone, scale="none").scale.item() == 1.0


@pytest.mark.parametrize("options", [{}, dict(list(MASAM.published.items())[:3])], ids=str)
def test_vanishing_gradients_give_zero(options: Any) -> None:
    zero, some = _vectors([0.0, 0.0], [0.0]), _vectors([1.0, 2.0], [3.0])
    for fused, alone in ((zero, some), (some, zero), (zero, zero)):
        found = ascent(fused, alone, **options)
        assert found.gamma == 0
        assert all(torch.isfinite(d).all() for d in [*found.direction, found.scale])


def test_loss_decay_worked_by_hand() -> None:
    """beta = 1/2, losses 2, 1, 3: averages 2, 1.5, 2.25; decays 0, 2 - 1.5, max(0, 1 - 2.25)."""
    history = torch.full((2, 1), torch.nan)
    decays = [loss_decay(torch.tensor([x]), history, 0.5).item() for x in (2.0, 1.0, 3.0)]
    assert decays == [0.0, 0.5, 0.0]
    assert history.tolist() == [[2.25], [3.0]]


def test_first_of_equal_scores_is_chosen() -> None:
    assert dominant_mask(torch.tensor([1.0, 2.0, 2.0])).tolist() == [0.0, 1.0, 0.0]


def _published_gradient(model: MultimodalModel, batch: Batch, rho: float) -> tuple[dict, str]:
    """The paper's step with alpha = 0, one backward pass for every gradient it names."""
    names = dict(model.named_parameters())

    def gradient(loss: Tensor) -> dict[str, Tensor]:
        found = torch.autograd.grad(loss, names.values(), allow_unused=True, retain_graph=True)
        return {
            n: torch.zeros_like(p) if g is None else g
            for (n, p), g in zip(names.items(), found, strict=True)
        }

    fused_loss, alone_losses = _losses(model, batch)
    fused, alone = gradient(fused_loss), [gradient(loss) for loss in alone_losses]
    cosines = []
    for m, own in zip(model.modalities, alone, strict=True):
        keys = [n for n in names if n.startswith(f"encoders.{m}.")]
        g, u = (torch.cat([x[n].flatten() for n in keys]) for x in (fused, own))
        cosines.append((g @ u / (g.norm() * u.norm())).item())
    best = max(range(len(cosines)), key=cosines.__getitem__)
    keys = [n for n in names if n.startswith(f"encoders.{model.modalities[best]}.")]
    length = torch.cat([fused[n].flatten() for n in keys]).norm()
    with torch.no_grad():
        for n in keys:
            names[n] += rho * max(cosines[best], 0) * fused[n] / length
    sharp = gradient(_losses(model, batch)[0])
    total = {n: fused[n] + sum(own[n] for own in alone) for n in names}
    return total | {n: sharp[n] + alone[best][n] for n in keys}, model.modalities[best]


@both
def test_step_is_the_published_one(count: int, fusion: str) -> None:
    [batch] = tiny_batches(1, count)
    model = tiny_model(count, fusion)
    before = weights(model)
    with watched_passes(model) as passes:
        metrics = build_method("masam", model, OPTIM, rho=0.4, alpha=0.0).step(*batch)
    gradient, best = _published_gradient(tiny_model(count, fusion), batch, rho=0.4)
    expected = {n: w - OPTIM.lr * (gradient[n] + OPTIM.weight_decay * w) for n, w in before.items()}
    assert deviation(weights(model), expected) < 1e-12
    assert all(name.startswith(f"encoders.{best}.") for name in changed(*passes))
    assert [m for m in model.modalities if metrics[f"dominant_{m}"] == 1] == [best]


@both
@pytest.mark.parametrize("options", [{}, MASAM.published], ids=["paper", "published"])
def test_zero_radius_is_descent_on_the_total_loss(count: int, fusion: str, options: Any) -> None:
    [batch] = tiny_batches(1, count)
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    build_method("masam", model, OPTIM, rho=0.0, unimodal_weight=0.7, **options).step(*batch)
    plain = build_method("joint_train", twin, OPTIM)
    fused, alone = _losses(twin, batch)
    (fused + 0.7 * alone.sum()).backward()
    plain.optimizer.step()
    assert deviation(weights(model), weights(twin)) < 1e-14


def test_radius_is_rho_times_alignment() -> None:
    [batch] = tiny_batches()
    model = tiny_model()
    with watched_passes(model) as passes:
        metrics = build_method("masam", model, OPTIM, rho=0.4, alpha=0.0).step(*batch)
    clean, moved = passes
    length = torch.cat([(moved[n] - clean[n]).flatten() for n in clean]).norm().item()
    gamma = max(metrics["gamma_audio"], metrics["gamma_visual"]).item()
    assert gamma > 0
    assert length == pytest.approx(0.4 * gamma)


def test_every_perturbed_encoder_has_a_radius_of_its_own() -> None:
    """target='all', scale 1: two perturbations of length rho, not one."""
    [batch] = tiny_batches()
    model = tiny_model()
    method = build_method("masam", model, OPTIM, rho=0.4, target="all", scale="none")
    with watched_passes(model) as passes:
        method.step(*batch)
    clean, moved = passes
    for m in model.modalities:
        keys = [n for n in clean if n.startswith(f"encoders.{m}.")]
        length = torch.cat([(moved[n] - clean[n]).flatten() for n in keys]).norm().item()
        assert length == pytest.approx(0.4)


def test_score_mixes_decay_and_alignment() -> None:
    """alpha = 1 leaves the decay, zero at first; alpha = 0 the alignment."""
    batches = tiny_batches(3)
    fast = build_method("masam", tiny_model(), OPTIM, alpha=1.0, beta=0.0)
    found = [fast.step(*batch) for batch in batches]
    assert found[0]["score_audio"] == found[0]["score_visual"] == 0
    assert any(metrics["score_audio"] > 0 for metrics in found[1:])
    aligned = build_method("masam", tiny_model(), OPTIM, alpha=0.0)
    metrics = aligned.step(*batches[0])
    assert metrics["score_audio"] == metrics["gamma_audio"]


def test_second_pass_of_the_total_loss_differs_from_that_of_the_fused_one() -> None:
    found = []
    for second_loss in ("fusion", "total"):
        model = tiny_model()
        train(build_method("masam", model, OPTIM, second_loss=second_loss), tiny_batches(1))
        found.append(weights(model))
    assert changed(*found)
    assert all(name.startswith("encoders.") for name in changed(*found))


@pytest.mark.parametrize(
    "options",
    [MASAM.published, {"conflict": "signed"}, {"scale": "none"}, {"target": "all"}],
    ids=str,
)
@both
def test_no_option_waits_for_the_host(count: int, fusion: str, options: Any) -> None:
    method = build_method("masam", tiny_model(count, fusion), OPTIM, **options)
    for inputs, labels in tiny_batches(2, count):
        with forbidden_host_sync():
            method.step(inputs, labels)
