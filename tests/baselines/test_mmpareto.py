"""MM-Pareto: the integration of two gradients, and which parameters it reaches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.gradients import flat, min_norm_weight
from baselines.mmpareto import MMPareto, integrated
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import OPTIM, STILL, tiny_batches, tiny_model

HEADS = ["own", "fusion"]
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])


def _pair(seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """Two conflicting gradients of an encoder with three tensors of different size."""
    rng = torch.Generator().manual_seed(seed)
    shapes = [(4, 3), (5,), (2, 2, 2)]
    joint = [torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes]
    noise = [torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes]
    return joint, [n - 0.5 * g for g, n in zip(joint, noise, strict=True)]


def test_min_norm_weight_of_orthogonal_gradients_by_hand() -> None:
    """Lengths 3 and 4: w = 16/25, and the shortest mix points at the foot of the altitude."""
    mixed, cosine = integrated([torch.tensor([3.0, 0.0])], [torch.tensor([0.0, 4.0])], 1.0, "none")
    torch.testing.assert_close(mixed[0], 2 * torch.tensor([3 * 16 / 25, 4 * 9 / 25]))
    assert cosine == 0.0  # no strict agreement: not the sum


def test_min_norm_weight_stops_short_of_the_ends() -> None:
    short, long = torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0])
    assert min_norm_weight(short, long).item() == pytest.approx(0.999)
    assert min_norm_weight(long, short).item() == pytest.approx(0.001)


def test_min_norm_mix_is_the_shortest_of_the_segment() -> None:
    joint, own = map(flat, _pair())
    lengths = [(w * joint + (1 - w) * own).norm() for w in torch.linspace(0, 1, 101)]
    weight = min_norm_weight(joint, own)
    assert (weight * joint + (1 - weight) * own).norm() <= min(lengths)


@pytest.mark.parametrize("rescale", ["tensor", "encoder", "none"])
def test_without_conflict_the_gradient_is_gamma_times_the_sum(rescale: str) -> None:
    joint, _ = _pair()
    own = [2.0 * g for g in joint]
    mixed, _ = integrated(joint, own, 1.5, rescale)
    for g, found in zip(joint, mixed, strict=True):
        torch.testing.assert_close(found, 1.5 * 3.0 * g)


def _direction(joint: list[Tensor], own: list[Tensor]) -> list[Tensor]:
    weight = min_norm_weight(flat(joint), flat(own))
    return [2 * weight * a + 2 * (1 - weight) * b for a, b in zip(joint, own, strict=True)]


def test_conflict_keeps_the_direction_and_the_length_of_the_sum_in_every_tensor() -> None:
    joint, own = _pair()
    mixed, cosine = integrated(joint, own, 1.5)
    assert cosine < 0
    for a, b, h, found in zip(joint, own, _direction(joint, own), mixed, strict=True):
        length = 1.5 * max(h.norm(), (a + b).norm())
        torch.testing.assert_close(found, length * h / h.norm())


def test_length_can_be_restored_over_the_whole_encoder() -> None:
    joint, own = _pair()
    h = flat(_direction(joint, own))
    length = 1.5 * max(h.norm(), (flat(joint) + flat(own)).norm())
    whole, _ = integrated(joint, own, 1.5, "encoder")
    torch.testing.assert_close(flat(whole), length * h / h.norm())
    single, _ = integrated(joint, own, 1.5, "tensor")
    assert not torch.allclose(flat(single), flat(whole))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rescale", ["tensor", "encoder"])
@pytest.mark.parametrize("ratio", [-1.0, -0.3, -7.0])
def test_opposite_gradients_give_no_step(ratio: float, rescale: str, dtype: torch.dtype) -> None:
    """What is left of them is rounding noise, which must not be blown up to the sum's length."""
    joint = [g.to(dtype) for g in _pair()[0]]
    mixed, _ = integrated(joint, [ratio * g for g in joint], 1.5, rescale)
    assert not any(torch.count_nonzero(g) for g in mixed)


def test_vanishing_gradients_give_no_step() -> None:
    nothing = [torch.zeros(3)]
    mixed, _ = integrated(nothing, nothing, 1.5)
    assert torch.equal(mixed[0], nothing[0])


def _named_gradients(method: MMPareto, loss: Tensor) -> dict[str, Tensor]:
    names, params = zip(*method.model.named_parameters(), strict=True)
    found = torch.autograd.grad(
        loss, params, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("heads", HEADS)
@modalities
@setting
def test_encoders_get_the_mix_and_all_else_the_summed_loss(
    fusion: str, count: int, heads: str
) -> None:
    """Against gradients of the single losses, taken one after another on the same weights."""
    [(inputs, labels)] = tiny_batches(1, count)
    method, twin = [MMPareto(tiny_model(count, fusion), STILL, heads=heads) for _ in range(2)]
    features = twin.model.encode(inputs)
    loss = F.cross_entropy(twin.model.fusion(features), labels)
    losses = twin._unimodal_losses(inputs, features, labels)
    joint, *own = [_named_gradients(twin, value) for value in (loss, *losses)]
    method.step(inputs, labels)
    found = {name: p.grad for name, p in method.model.named_parameters()}
    for m, mine in zip(method.model.modalities, own, strict=True):
        group = [name for name in found if name.startswith(f"encoders.{m}.")]
        mixed, _ = integrated([joint[n] for n in group], [mine[n] for n in group], 1.5)
        for name, expected in zip(group, mixed, strict=True):
            torch.testing.assert_close(found[name], expected, msg=name)
            assert not any(g[name].any() for g in own if g is not mine)
    for name in found:
        if name.startswith("fusion."):
            torch.testing.assert_close(found[name], joint[name] + sum(g[name] for g in own))
    assert all(p.grad is not None for p in method.heads.parameters())
    assert len(method.heads) == (count if heads == "own" else 0)


@pytest.mark.parametrize(
    "options",
    [{"heads": "fusion"}, {"rescale": "encoder"}, {"rescale": "none", "absent": "zero_input"}],
    ids=str,
)
@setting
def test_no_option_waits_for_the_host(fusion: str, options: dict[str, Any]) -> None:
    method = MMPareto(tiny_model(3, fusion), OPTIM, **options)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


def test_own_heads_follow_the_learning_rate() -> None:
    method = MMPareto(tiny_model(), OPTIM)
    for _ in range(2):
        method.step(*tiny_batches()[0])
        method.end_epoch({})
    assert [group["lr"] for group in method.optimizer.param_groups] == [pytest.approx(0.005)] * 2


def test_one_modality_is_not_supported() -> None:
    assert MMPareto.unsupported(("audio",), "late") is not None
    assert MMPareto.unsupported(("audio", "visual"), "early") is None
