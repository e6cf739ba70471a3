"""TCMax (Yu et al., ICLR 2026): maximises the total correlation of all features and the label."""

from __future__ import annotations

from functools import reduce
from math import log
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Count
from msam.sharpness import frozen_batchnorm

Pairs = Literal["auto", "all", "batch"] | Count
Objective = Literal["joint", "pairs"]

MOST_ROWS = 2**14
"""Rows that `pairs='auto'` puts through a joint network at most: all pairs of 128 samples."""


@register("tcmax")
class TCMax(Method):
    """One step on the variational bound of the total correlation, with the fused logit as critic.

    hubaak/TCMax@a950d9b (src/utils/losses.py:43-105; MIT). f[j,k,y] is the fused logit of class y
    for sample j's features of the first modality and sample k's of the second, N samples:
    L = -mean_i f[i,i,y_i] + log sum_{j,k,y} exp f[j,k,y] - log N, one softmax over all N N C
    entries, matched pairs and all classes among them. Prediction is the ordinary fused argmax.

    `pairs='all'` takes every combination. In late fusion f is a sum over the modalities, so that
    L has a closed form for any number of them; in early fusion the joint network runs on N^2 rows.
    A number takes that many combinations, drawn with replacement; `'batch'` takes N, in which the
    first modality's samples stand in order (code: sample_num <= 0). `'auto'` is `'all'` in late
    fusion, and in early fusion of two modalities up to MOST_ROWS rows; `'batch'` beyond.
    `objective='pairs'` is the code's image-text branch, with p the softmax of f over all entries:
    -mean_i log sum_k p[i,k,y_i] - log N, and the same with the sum over the first modality's
    samples, added. It needs all combinations.

    Departures: log-sum-exp with its maximum taken out (code: overflows at logits of some hundred);
    the sampled form in early fusion (code: crashes); more than two modalities. For early fusion
    with BatchNorm, which no published network has: matched and other pairs go through one pass
    that normalises by its own rows and records nothing, and one of the matched rows alone, without
    gradient, is recorded: evaluation sees matched rows only. `objective` reports L, and `loss_mm`
    the fused cross-entropy, as for every method. Optimiser and schedule are the suite's.
    """

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        pairs: Pairs = "auto",
        objective: Objective = "joint",
    ) -> None:
        super().__init__(model, optim)
        fusion = "late" if model.heads else "early"
        if reason := self.unsupported(model.modalities, fusion, pairs=pairs, objective=objective):
            raise ValueError(reason)
        self.pairs, self.objective = pairs, objective

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        bound = self._late_bound if self.model.heads else self._early_bound
        objective, logits = bound(features, labels)
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        loss = F.cross_entropy(logits, labels)
        return {**batch_metrics(logits, labels, loss), "objective": objective.detach()}

    def _late_bound(self, features: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        """L from the heads, and the fused logits (N, C) without gradient."""
        logits = torch.stack(list(self.model.modality_logits(features, {}).values()))
        fused = logits.sum(0)
        if self._takes_all(len(labels)):
            return late_loss(logits, labels, self.objective), fused.detach()
        rows = self.draw(len(labels), labels.device)
        drawn = sum(z[r] for z, r in zip(logits, rows, strict=True))
        return sampled_loss(fused, drawn, labels, len(logits)), fused.detach()

    def _early_bound(self, features: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        """L from the joint network, and the fused logits (N, C) without gradient."""
        size, fusion = len(labels), self.model.fusion
        with torch.no_grad():
            fused = fusion(features)
        with frozen_batchnorm(fusion):
            if self._takes_all(size):
                pairs = fusion(every_pair(features)).unflatten(0, (size, size))
                return early_loss(pairs, labels, self.objective), fused
            rows = dict(zip(features, self.draw(size, labels.device), strict=True))
            both = {m: torch.cat([h, h[rows[m]]]) for m, h in features.items()}
            logits = fusion(both)
        return sampled_loss(logits[:size], logits[size:], labels, len(features)), fused

    def _takes_all(self, size: int) -> bool:
        """Whether every combination of a batch of `size` rows is taken."""
        if self.pairs != "auto":
            return self.pairs == "all"
        if self.model.heads or self.objective == "pairs":
            return True
        return len(self.model.modalities) == 2 and size**2 <= MOST_ROWS

    def draw(self, size: int, device: torch.device) -> list[Tensor]:
        """The combinations drawn: for each modality S rows of a batch of `size`, (S,)."""
        in_order = not isinstance(self.pairs, int)
        number = self.pairs if isinstance(self.pairs, int) else size
        rows = [
            torch.randint(size, (number,), generator=self.generator, device=device)
            for _ in self.model.modalities[in_order:]
        ]
        return [torch.arange(size, device=device), *rows] if in_order else rows

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if len(modalities) < 2:
            return "one modality alone has no combinations of features"
        pairs, objective = params.get("pairs", "auto"), params.get("objective", "joint")
        if objective == "pairs" and pairs not in ("auto", "all"):
            return f"objective=pairs sums over all combinations; it has no form for pairs={pairs}"
        needs_all = pairs == "all" or objective == "pairs"
        if needs_all and fusion == "early" and len(modalities) > 2:
            return (
                "all combinations of N samples of more than two modalities are N^3 rows or more "
                "of the joint network; early fusion takes them with objective=joint and pairs=auto"
            )
        return None


def bound(scores: Tensor, total: Tensor, labels: Tensor) -> Tensor:
    """-mean_i scores[i, y_i] + total - log N, from scores (N, C) and the log-sum-exp over all."""
    return total - scores.gather(1, labels[:, None]).mean() - log(len(labels))


def late_loss(logits: Tensor, labels: Tensor, objective: Objective = "joint") -> Tensor:
    """L in late fusion from the heads' logits (M, N, C), without making any combination:
    the log-sum-exp over all is that over y of sum_m log-sum-exp_j z_m[j,y]."""
    pooled = logits.logsumexp(1)  # (M, C)
    total = pooled.sum(0).logsumexp(0)
    if objective == "joint":
        return bound(logits.sum(0), total, labels)
    others = pooled.sum(0) - pooled  # of the other modalities
    summed = (logits + others[:, None]).unbind()
    return reduce(torch.add, [bound(scores, total, labels) for scores in summed])


def early_loss(logits: Tensor, labels: Tensor, objective: Objective = "joint") -> Tensor:
    """L from the fused logits (N, N, C) of every pair, the first modality's sample first."""
    total = logits.logsumexp((0, 1, 2))
    if objective == "joint":
        return bound(logits.diagonal().T, total, labels)
    return bound(logits.logsumexp(1), total, labels) + bound(logits.logsumexp(0), total, labels)


def sampled_loss(matched: Tensor, drawn: Tensor, labels: Tensor, modalities: int) -> Tensor:
    """L from the logits (N, C) of the batch and those (S, C) of S of the N^M combinations."""
    combinations = modalities * log(len(labels)) - log(len(drawn))
    return bound(matched, drawn.logsumexp((0, 1)) + combinations, labels)


def every_pair(features: Features) -> Features:
    """The features of all pairs: {m: (N, D_m)} of two modalities -> {m: (N * N, D_m)}."""
    (first, one), (second, other) = features.items()
    return {first: one.repeat_interleave(len(one), 0), second: other.repeat(len(other), 1)}
