"""How far a modality's own gradient agrees with the fusion gradient, and MASAM's ascent from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Gamma = Literal["concat", "tensor_mean"]
Conflict = Literal["clamp0", "signed", "full"]
Scale = Literal["gamma", "last_tensor", "none"]


class Ascent(NamedTuple):
    """Of one encoder: its alignment gamma, and the perturbation rho * scale * P / ||P||."""

    gamma: Tensor  # 0-dimensional
    direction: list[Tensor]  # P, one tensor per parameter
    scale: Tensor  # 0-dimensional


def ascent(
    fused: Collection[Tensor],
    alone: Collection[Tensor],
    gamma: Gamma = "concat",
    conflict: Conflict = "clamp0",
    scale: Scale = "gamma",
) -> Ascent:
    """From g = `fused` and u = `alone`, the two gradients of one encoder, tensor by tensor.

    `gamma`: the cosine of g and u as two vectors (`concat`, the paper's formula), or the mean of
    the tensors' cosines (`tensor_mean`, the released code). `scale`: gamma, the cosine of the last
    tensor (the code, through a leaking loop variable), or 1.

    `conflict` is what happens where g and u disagree. `signed` is the formula, P = g with a scale
    that may be negative; `clamp0` lets the scale shrink to zero at most, as the paper's text says.
    `full` is the code: P is u projected on g, tensor by tensor, or all of g where they disagree,
    and a scale that is not positive becomes 1, so that conflict enlarges the perturbation.
    """
    dots = torch.stack([(g * u).sum() for g, u in zip(fused, alone, strict=True)])
    lengths, own_lengths = _lengths(fused), _lengths(alone)
    cosines = _ratio(dots, lengths * own_lengths)
    whole = _ratio(dots.sum(), lengths.norm() * own_lengths.norm())
    alignment = whole if gamma == "concat" else cosines.mean()
    factor = {"gamma": alignment, "last_tensor": cosines[-1], "none": torch.ones_like(whole)}[scale]
    if conflict != "full":
        factor = factor.clamp_min(0) if conflict == "clamp0" else factor
        return Ascent(alignment, list(fused), factor)
    kept = torch.where(dots < 0, 1.0, _ratio(dots, lengths.square()))
    direction = [weight * g for weight, g in zip(kept.unbind(), fused, strict=True)]
    return Ascent(alignment, direction, torch.where(factor > 0, factor, 1.0))


@torch.no_grad()
def loss_decay(losses: Tensor, history: Tensor, beta: float) -> Tensor:
    """max(0, L_m^(t-1) - MA_m^(t)), (M,), with MA^(t) = beta MA^(t-1) + (1 - beta) L^(t).

    `history` (2, M) holds MA and L of the step before, NaN if there was none, and is moved on. In
    the first step MA is the loss itself and the decay 0.
    """
    averages, last = history
    moved = beta * averages + (1 - beta) * losses
    averages.copy_(torch.where(averages.isnan(), losses, moved))
    decay = (last - averages).clamp_min(0).nan_to_num(0.0)
    last.copy_(losses)
    return decay


def _lengths(tensors: Collection[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(list(tensors)))


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, 0 where a vanishing gradient makes both zero."""
    return numerator / denominator.clamp_min(torch.finfo(denominator.dtype).tiny)
