"""Shapley responses of the modalities (Eq. 16-19, corrected) and their contributions (Eq. 20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import combinations
from math import factorial
from typing import Literal, get_args

import torch
from torch import Tensor

from msam.model import Features, LateFusion, present_only

Coalition = frozenset[str]
Empty = Literal["zero", "value", "printed"]
Negatives = Literal["clip", "raw", "softmax"]
Value = Literal["prob", "logit", "accuracy", "neg_loss", "response_prob"]


def coalitions(modalities: tuple[str, ...]) -> Iterator[Coalition]:
    """Every non-empty set of modalities, smallest first."""
    for size in range(1, len(modalities) + 1):
        yield from map(frozenset, combinations(modalities, size))


def coalition_logits(
    fuse: Callable[[Features], Tensor], features: Features, absent: Features
) -> dict[Coalition, Tensor]:
    """Logits (B, C) of every non-empty coalition; modalities outside it are `absent` (1, D_m).

    `fuse` is called for each, unless it is a sum of heads: then every head runs twice, whatever
    the number of coalitions.
    """
    names = tuple(features)
    if type(fuse) is not LateFusion or fuse._forward_hooks or fuse._forward_pre_hooks:
        return {s: fuse(present_only(features, absent, s)) for s in coalitions(names)}
    there = fuse.modality_logits(features)
    gone = present_only(there, fuse.modality_logits(absent), set())
    heads = [torch.stack([z[m] for m in names]) for z in (there, gone)]  # (M, B, C)
    member = _constant(_membership, names, heads[0].device, torch.bool)
    summed = torch.where(member[:, :, None, None], *heads).sum(1)
    return dict(zip(coalitions(names), summed.unbind(), strict=True))


def shapley_responses(
    values: Mapping[Coalition, Tensor], modalities: tuple[str, ...], empty: Empty = "zero"
) -> dict[str, Tensor]:
    """Phi_m from the value of each coalition, any shape, element by element.

    `zero` keeps the empty coalition with value 0, so that the responses sum to the value of all
    modalities together (Eq. 18); it equals AGM's code for two and three modalities. The paper's
    Eq. 17 leaves the empty coalition out and then contradicts Eq. 18: `printed`, for the record.
    `value` uses values[frozenset()]: the Shapley value proper.
    """
    order = [*coalitions(modalities), *([frozenset()] if empty == "value" else [])]
    stacked = torch.stack([values[s] for s in order])
    weights = _constant(_WEIGHTS[empty], modalities, stacked.device, stacked.dtype)
    # Not a matrix product: TF32 settings must not change the responses.
    phi = (weights.view(*weights.shape, *[1] * (stacked.ndim - 1)) * stacked).sum(1)
    return dict(zip(modalities, phi.unbind(), strict=True))


def mono_modal_responses(
    fuse: Callable[[Features], Tensor], features: Features, absent: Features
) -> dict[str, Tensor]:
    """Phi_m(x), {m: (B, C)}, which sum to fuse(features) (Eq. 18). Costs 2^M - 1 calls of `fuse`.

    `features` holds {m: (B, D_m)} and `absent` {m: (1, D_m)}.
    """
    return shapley_responses(coalition_logits(fuse, features, absent), tuple(features))


def coalition_scores(
    logits: Mapping[Coalition, Tensor], labels: Tensor, modalities: tuple[str, ...], value: Value
) -> dict[str, Tensor]:
    """The scalar Phi_m of each modality: the response of the batch mean of `value` (ledger row 1).

    `prob` is the true-class probability, `logit` the true-class logit, `neg_loss` minus the
    cross-entropy. `response_prob` instead takes the true-class probability of the softmax of
    Phi_m's logits, which is always positive.
    """
    if value == "response_prob":
        responses = shapley_responses(logits, modalities)
        return {m: _true_class(phi.softmax(-1), labels) for m, phi in responses.items()}
    scores = _REDUCTIONS[value](torch.stack(list(logits.values())), labels)
    return shapley_responses(dict(zip(logits, scores.unbind(), strict=True)), modalities)


def contributions(
    responses: Mapping[str, Tensor], negatives: Negatives = "clip"
) -> dict[str, Tensor]:
    """nu_m = Phi_m / sum Phi (Eq. 20), 0-dimensional, summing to 1.

    Eq. 20 is undefined when the responses sum to zero and reverses the ranking when the sum is
    negative. `clip` sets negative responses to zero, and all contributions to 1/M where nothing
    is left; `softmax` uses exp(Phi_m); `raw` is Eq. 20 as printed.
    """
    phi = torch.stack(list(responses.values()))
    if negatives == "softmax":
        nu = phi.softmax(0)
    elif negatives == "raw":
        nu = phi / phi.sum(0)
    else:
        positive = phi.clamp_min(0)
        total = positive.sum(0)
        nu = torch.where(total > 1e-8, positive / total.clamp_min(1e-8), 1 / len(phi))
    return dict(zip(responses, nu.unbind(), strict=True))


@lru_cache(maxsize=64)
def _constant(
    table: Callable[[tuple[str, ...]], list[list[float]]],
    modalities: tuple[str, ...],
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """A table of numbers on the device; copied there once, so that no step waits for it."""
    with torch.inference_mode(False):
        return torch.tensor(table(modalities), device=device, dtype=dtype)


def _membership(modalities: tuple[str, ...]) -> list[list[float]]:
    """1 where a coalition has a modality, coalitions by modalities."""
    return [[float(m in s) for m in modalities] for s in coalitions(modalities)]


def _shapley_weights(modalities: tuple[str, ...], empty: Empty) -> list[list[float]]:
    """What each coalition's value counts in each response, modalities by coalitions."""
    count, order = len(modalities), [*coalitions(modalities), frozenset()]
    rows = []
    for m in modalities:
        row = dict.fromkeys(order, 0.0)
        for s in (s for s in order if m not in s and (s or empty != "printed")):
            weight = factorial(len(s)) * factorial(count - len(s) - 1) / factorial(count)
            row[s | {m}] += weight
            row[s] -= weight
        rows.append(list(row.values()) if empty == "value" else list(row.values())[:-1])
    return rows


_WEIGHTS = {empty: partial(_shapley_weights, empty=empty) for empty in get_args(Empty)}


def _true_class(scores: Tensor, labels: Tensor) -> Tensor:
    """The mean score of the true class: (..., B, C), labels (B,) -> (...)."""
    index = labels[:, None].expand(*scores.shape[:-1], 1)
    return scores.gather(-1, index).squeeze(-1).mean(-1)


_REDUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "prob": lambda z, y: _true_class(z.softmax(-1), y),
    "logit": _true_class,
    "accuracy": lambda z, y: (z.argmax(-1) == y).to(z.dtype).mean(-1),
    "neg_loss": lambda z, y: _true_class(z.log_softmax(-1), y),
}
