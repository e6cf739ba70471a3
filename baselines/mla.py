"""MLA (Zhang et al., CVPR 2024): modalities take turns in training a shared head."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, LateFusion, MultimodalModel
from msam.optim import OptimConfig

FIXED_WEIGHTS = (  # MLA@ab6c184, main.py:65-106, 968
    {"audio": 0.55, "visual": 0.45},
    {"audio": 0.35, "visual": 0.25, "text": 0.4},
)


class EntropyFusion(LateFusion):
    """sum_m w_m z_m of the heads' logits, w = softmax_m(-H(softmax z_m)), sample by sample."""

    def __init__(self, heads: nn.ModuleDict) -> None:
        super().__init__({}, 0)  # no heads of its own
        self.heads = heads

    def forward(self, features: Features) -> Tensor:
        """Fused logits (B, C)."""
        logits = torch.stack(list(self.modality_logits(features).values()))
        return (entropy_weights(logits)[..., None] * logits).sum(0)


class FixedFusion(LateFusion):
    """sum_m w_m z_m of the heads' logits, with one number w_m per modality."""

    def __init__(self, heads: nn.ModuleDict, weights: Mapping[str, float]) -> None:
        super().__init__({}, 0)
        self.heads, self.weights = heads, dict(weights)

    def forward(self, features: Features) -> Tensor:
        """Fused logits (B, C)."""
        logits = self.modality_logits(features)
        return reduce(torch.add, [self.weights[m] * z for m, z in logits.items()])


def entropy_weights(logits: Tensor) -> Tensor:
    """w_m = softmax_m(-H_m), H_m the entropy over the classes: (M, B, C) -> (M, B)."""
    logs = logits.log_softmax(2)
    return (logs.exp() * logs).sum(2).softmax(0)  # the sum is -H_m


@register("mla")
class MLA(Method):
    """Encoder m and the head learn from CE(head(h_m), y), one modality after the other.

    Multimodal-Learning-with-Alternating-Unimodal-Adaptation@ab6c184 (no licence: formulas only),
    main.py:419-476 with --gs_flag. All encoders encode the batch once. Then each modality has its
    own backward pass and optimiser step, with the head as the one before left it. One optimiser:
    the head's momentum is that of all modalities. The order is the model's.

    `fusion_rule='entropy'`: the less uncertain modality weighs more, sample by sample, as in the
    paper; it replaces the model's fusion, so that evaluation and predictions use it. The code
    takes the entropy over the rows of a test batch, so that a prediction depends on its
    neighbours: left out. `'fixed'` has the code's fixed weights, `'mean'` equal ones.

    `idle` is what happens in a batch to an encoder that has had its turn. `'zeros'`: its gradient
    is zero, and momentum and weight decay move it, as in the code's torch 1.8.1. `'skip'`: nothing.

    `projection` changes the gradient G of the head's weight. The code's never runs: it looks for
    `module.weight`, and the head has `weight`; hence `'none'`. With r the mean feature, k = P r,
    a = 0.1^(1 + i/n) in batch i of n, and P the identity at first:
    'code': P <- P - (k k^T) / (a + k r^T), entry by entry;  P <- P / ||P||_F;  G <- G P^T
    'rls':  P <- P - k k^T / (a + r^T k);  G <- G P, recursive least squares, the paper's idea.
    The first turn of a run changes neither P nor G. r is the modality's own (`features='current'`,
    the code) or that of the turn before (`'previous'`).

    `shared_head=False` lets every modality keep its head. Early fusion is undefined.
    """

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        fusion_rule: Literal["entropy", "mean", "fixed"] = "entropy",
        idle: Literal["zeros", "skip"] = "zeros",
        projection: Literal["none", "code", "rls"] = "none",
        features: Literal["current", "previous"] = "current",
        shared_head: bool = True,
    ) -> None:
        fusion = "late" if model.heads else "early"
        given = {"fusion_rule": fusion_rule, "projection": projection, "shared_head": shared_head}
        if reason := self.unsupported(model.modalities, fusion, **given):
            raise ValueError(reason)
        heads = _heads(model, shared_head)
        # Before the optimiser is made: it must not see the heads that are left.
        model.fusion = _fusion(fusion_rule, heads, model.modalities)
        super().__init__(model, optim)
        self.idle, self.projection, self.features = idle, projection, features
        weight = heads[model.modalities[0]].get_parameter("weight")
        width = weight.shape[1] if projection != "none" else 0
        self.projector = torch.eye(width, dtype=weight.dtype, device=weight.device)  # P (D, D)
        self.mean = weight.new_zeros(width)  # r of the turn before, (D,)
        self.begun = torch.zeros((), dtype=torch.bool, device=weight.device)
        self.batch = weight.new_zeros(())  # i

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        with torch.no_grad():
            logits = self.model.fusion(features)
            metrics = batch_metrics(logits, labels, F.cross_entropy(logits, labels))
        self.optimizer.zero_grad()
        for m, phi in features.items():
            head = self.model.heads[m]
            loss = F.cross_entropy(head(phi), labels)
            loss.backward()
            gradient = head.get_parameter("weight").grad
            if self.projection != "none" and gradient is not None:
                self.project(gradient, phi.detach())
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=self.idle == "skip")
            metrics[f"loss_{m}"] = loss.detach()
        self.optimizer.zero_grad()
        self.batch.add_(1)
        return metrics

    @torch.no_grad()
    def project(self, gradient: Tensor, features: Tensor) -> None:
        """One turn: moves P, then the gradient (C, D) of the head's weight; features are (B, D).

        Raises ValueError if `steps_per_epoch` is not set.
        """
        if self.steps_per_epoch < 1:
            raise ValueError("MLA's projection needs `steps_per_epoch`, which is 0: set it first")
        current = features.mean(0)
        r = current if self.features == "current" else self.mean
        forgetting = 0.1 ** (1 + self.batch / self.steps_per_epoch)
        moved = moved_projector(self.projector, r, forgetting, rls=self.projection == "rls")
        self.projector.copy_(torch.where(self.begun, moved, self.projector))
        gradient.copy_(gradient @ self.projector.T)  # P is symmetric with 'rls'
        self.mean.copy_(current)
        self.begun.fill_(True)

    def end_epoch(self, val: Mapping[str, float]) -> None:
        super().end_epoch(val)
        self.batch.zero_()

    def _kept(self) -> dict[str, Tensor]:
        names = ("projector", "mean", "begun", "batch")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), **self._kept()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name, kept in self._kept().items():
            kept.copy_(state[name])

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if fusion == "early":
            return "MLA trains one head on each modality's features; early fusion has none"
        if len(modalities) < 2:
            return "MLA takes turns between modalities; one modality alone has no other"
        if params.get("fusion_rule") == "fixed" and _fixed_weights(modalities) is None:
            known = " or ".join(", ".join(weights) for weights in FIXED_WEIGHTS)
            return f"MLA has fixed weights for {known} only; it was given {', '.join(modalities)}"
        if params.get("projection", "none") != "none" and not params.get("shared_head", True):
            return "MLA's projection protects a shared head; it needs shared_head=True"
        return None


def moved_projector(projector: Tensor, r: Tensor, forgetting: Tensor, *, rls: bool) -> Tensor:
    """P (D, D) after a turn with mean feature r (D,) and a = `forgetting`, 0-dimensional.

    `rls` takes the rule 'rls', else 'code'.
    """
    k = projector @ r
    if rls:
        return projector - k.outer(k) / (forgetting + r.dot(k))
    moved = projector - k.outer(k) / (forgetting + k.outer(r))
    return moved / torch.linalg.matrix_norm(moved)


def _heads(model: MultimodalModel, shared: bool) -> nn.ModuleDict:
    """The heads in the model's order; shared, they are all the first modality's.

    Raises ValueError if a shared head does not fit the features of every modality.
    """
    heads = {m: model.heads[m] for m in model.modalities}
    if shared:
        widths = {m: head.in_features for m, head in heads.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(f"MLA's shared head needs features of one width, not {widths}")
        heads = dict.fromkeys(heads, heads[model.modalities[0]])
    return nn.ModuleDict(heads)


def _fusion(rule: str, heads: nn.ModuleDict, modalities: tuple[str, ...]) -> LateFusion:
    if rule == "entropy":
        return EntropyFusion(heads)
    weights = _fixed_weights(modalities) if rule == "fixed" else None
    return FixedFusion(heads, weights or dict.fromkeys(modalities, 1 / len(modalities)))


def _fixed_weights(modalities: tuple[str, ...]) -> dict[str, float] | None:
    """The code's fixed weight of each modality, or None if it has none for these."""
    return next((w for w in FIXED_WEIGHTS if w.keys() == set(modalities)), None)
