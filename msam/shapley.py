"""Shapley responses of the modalities (Eq. 16-19, corrected) and their contributions (Eq. 20).

The equations are those of arXiv 2510.24919.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import combinations
from math import factorial
from numbers import Real
from typing import Literal, get_args

import torch
from torch import Tensor

from msam.model import Features, LateFusion, present_only

Coalition = frozenset[str]
Empty = Literal["zero", "value", "printed"]
Negatives = Literal["clip", "raw", "softmax"]
BatchMean = Literal["prob", "logit", "accuracy", "neg_loss"]
Value = Literal["prob", "logit", "accuracy", "neg_loss", "response_prob"]


def modality_shares(
    score: Callable[[Coalition], Tensor | float],
    modalities: Sequence[str],
    *,
    negatives: Negatives = "clip",
) -> dict[str, Tensor]:
    """The contribution nu_m of each modality to this batch (Eq. 20): {m: 0-dimensional}, sum 1.

    `score(present)` says how well the model does with only the modalities in the frozenset
    `present`: a number or 0-dimensional tensor, larger is better, 0 for a model that knows
    nothing. The mean probability of the true class is the suite's choice. It is called without
    gradient for each of the 2^M - 1 non-empty sets; put the model into evaluation mode there
    (`evaluating`), so that BatchNorm does not record inputs that are not there.

    The scores are averaged over the processes of `torch.distributed` first: every rank then has
    the same shares, and every rank must call this. `negatives`: see `contributions`. A score of
    infinity or NaN gives shares of NaN.

    Raises ValueError if `modalities` is empty, a plain string or names one twice, if a score is
    not a single number, and for an unknown `negatives`.
    """
    names = _checked_names(modalities)
    with torch.no_grad():
        scores = {s: _checked_score(s, score(s)) for s in coalitions(names)}
        scores = _averaged_over_processes(_on_one_device(scores))
        nu = contributions(shapley_responses(scores, names), negatives)
    # Autocast's copies of weights that were made without gradient would give none later.
    torch.clear_autocast_cache()
    return nu


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
        return {s: fuse(present_only(features, absent, s)) for s in coalitions(names)}  # type: ignore[arg-type]
    there = fuse.modality_logits(features)
    gone = present_only(there, fuse.modality_logits(absent), set())
    heads = [torch.stack([z[m] for m in names]) for z in (there, gone)]  # (M, B, C)
    member = _constant(_membership, names, heads[0].device, torch.bool)
    summed = torch.where(member[:, :, None, None], *heads).sum(1)  # type: ignore[attr-defined]
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
    logits: Mapping[Coalition, Tensor], labels: Tensor, value: BatchMean
) -> dict[Coalition, Tensor]:
    """The batch mean of `value` for each coalition, 0-dimensional (ledger row 1).

    From logits (B, C) and labels (B,). `prob` is the true-class probability, `logit` the
    true-class logit, `neg_loss` minus the cross-entropy.
    """
    scores = _REDUCTIONS[value](torch.stack(list(logits.values())), labels)
    return dict(zip(logits, scores.unbind(), strict=True))


def response_probabilities(
    logits: Mapping[Coalition, Tensor], labels: Tensor, modalities: tuple[str, ...]
) -> dict[str, Tensor]:
    """The mean true-class probability under softmax(Phi_m), 0-dimensional and always positive.

    The value `response_prob` of ledger row 1, from logits (B, C) and labels (B,).
    """
    responses = shapley_responses(logits, modalities)
    return {m: _true_class(phi.softmax(-1), labels) for m, phi in responses.items()}


def contributions(
    responses: Mapping[str, Tensor], negatives: Negatives = "clip"
) -> dict[str, Tensor]:
    """nu_m = Phi_m / sum Phi (Eq. 20), 0-dimensional, summing to 1.

    Eq. 20 is undefined when the responses sum to zero and reverses the ranking when the sum is
    negative. `clip` sets negative responses to zero, and all contributions to 1/M where nothing
    is left; `softmax` uses exp(Phi_m); `raw` is Eq. 20 as printed. A NaN among the responses
    gives NaN. Raises ValueError for another `negatives`.
    """
    if negatives not in get_args(Negatives):
        raise ValueError(
            f"negatives is {negatives!r}; it must be one of {', '.join(get_args(Negatives))}"
        )
    phi = torch.stack(list(responses.values()))
    if negatives == "softmax":
        nu = phi.softmax(0)
    elif negatives == "raw":
        nu = phi / phi.sum(0)
    else:
        positive = phi.clamp_min(0)
        total = positive.sum(0)
        nu = torch.where(total <= 1e-8, 1 / len(phi), positive / total.clamp_min(1e-8))
    return dict(zip(responses, nu.unbind(), strict=True))


def dominant_mask(scores: Tensor) -> Tensor:
    """1 at the largest of the scores, the first of several equal ones, 0 elsewhere: (M,)."""
    positions = torch.arange(len(scores), device=scores.device)
    return (positions == scores.argmax()).to(scores.dtype)


def _checked_names(modalities: Sequence[str]) -> tuple[str, ...]:
    names = tuple(modalities)
    if isinstance(modalities, str) or not names or len(set(names)) < len(names):
        raise ValueError(
            f"modality_shares: modalities is {modalities!r}; it must hold different names, "
            'such as ("text", "image")'
        )
    return names


def _checked_score(present: Coalition, score: Tensor | float) -> Tensor:
    if not isinstance(score, Tensor | Real):
        raise ValueError(
            f"modality_shares: score({sorted(present)}) is {score!r}; it must return one real "
            "number, such as a mean over the batch"
        )
    value = score if isinstance(score, Tensor) else torch.tensor(float(score))
    if value.ndim or not value.is_floating_point():
        raise ValueError(
            f"modality_shares: score({sorted(present)}) has the shape {tuple(value.shape)} and the "
            f"type {value.dtype}; it must be one real number, such as a mean over the batch"
        )
    return value


def _on_one_device(scores: dict[Coalition, Tensor]) -> dict[Coalition, Tensor]:
    """Numbers and tensors on the CPU go where the others are: a score may be a number for some."""
    device = next((x.device for x in scores.values() if x.device.type != "cpu"), None)
    return scores if device is None else {s: x.to(device) for s, x in scores.items()}


def _averaged_over_processes(scores: dict[Coalition, Tensor]) -> dict[Coalition, Tensor]:
    """The mean over the ranks of `torch.distributed`, if it runs."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return scores
    stacked = torch.stack(list(scores.values()))
    # As "cuda:nccl" or "cpu:gloo,cuda:nccl": NCCL alone cannot average scores that are on the CPU.
    able = [part.split(":")[0] for part in distributed.get_backend_config().split(",")]
    if stacked.device.type not in able:
        stacked = stacked.to(able[0])
    distributed.all_reduce(stacked)
    averaged = stacked / distributed.get_world_size()
    return dict(zip(scores, averaged.unbind(), strict=True))


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
