"""Shapley responses of the modalities (Eq. 16-19, corrected) and their contributions (Eq. 20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from math import factorial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from msam.model import Features, present_only

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
    """Logits (B, C) of every non-empty coalition; modalities outside it are `absent` (1, D_m)."""
    return {s: fuse(present_only(features, absent, s)) for s in coalitions(tuple(features))}


def shapley_responses(
    values: Mapping[Coalition, Tensor], modalities: tuple[str, ...], empty: Empty = "zero"
) -> dict[str, Tensor]:
    """Phi_m from the value of each coalition, any shape, element by element.

    `zero` keeps the empty coalition with value 0, so that the responses sum to the value of all
    modalities together (Eq. 18); it equals AGM's code for two and three modalities. The paper's
    Eq. 17 leaves the empty coalition out and then contradicts Eq. 18: `printed`, for the record.
    `value` uses values[frozenset()]: the Shapley value proper.
    """
    count = len(modalities)
    responses = {}
    for m in modalities:
        others = [n for n in modalities if n != m]
        subsets = [frozenset(c) for size in range(count) for c in combinations(others, size)]
        if empty == "printed":
            subsets = [s for s in subsets if s]
        responses[m] = sum(_weight(len(s), count) * _gain(values, s, m, empty) for s in subsets)
    return responses


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
        return {m: _true_class(phi.softmax(1), labels) for m, phi in responses.items()}
    reduce = _REDUCTIONS[value]
    return shapley_responses({s: reduce(z, labels) for s, z in logits.items()}, modalities)


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


def _weight(size: int, count: int) -> float:
    return factorial(size) * factorial(count - size - 1) / factorial(count)


def _gain(values: Mapping[Coalition, Tensor], s: Coalition, m: str, empty: Empty) -> Tensor:
    with_m = values[s | {m}]
    return with_m if not s and empty == "zero" else with_m - values[s]


def _true_class(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.gather(1, labels[:, None]).mean()


_REDUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "prob": lambda z, y: _true_class(z.softmax(1), y),
    "logit": _true_class,
    "accuracy": lambda z, y: (z.argmax(1) == y).to(z.dtype).mean(),
    "neg_loss": lambda z, y: -F.cross_entropy(z, y),
}
