"""Unimodal ensemble: a model for each modality alone, averaged in evaluation (a control)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import log
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, LateFusion, MultimodalModel
from msam.optim import OptimConfig

Average = Literal["logits", "probabilities"]


@register("unimodal_ensemble")
class UnimodalEnsemble(Method):
    """One step on sum_m CE(z_m), with z_m from modality m's own encoder and head.

    The modalities share no parameter, so this equals one run for each modality on the same
    batches, exactly. The model's fusion becomes the mean of the heads, and everything that
    evaluates the model uses it: `average='logits'` as in kkontras/MLB@357b5ce
    (models/OGM_Model.py:5450; no licence file), or `'probabilities'`, the mean of one softmax
    each. The two disagree where one modality's logits are much larger. Facts only were taken.

    Departures: one epoch is reported for all modalities; kkontras/MCR@338d370 (MIT by its README)
    loads each at its own best one. Its two other averages are not offered: one standardises over
    the test batch, so that a prediction depends on its neighbours; one takes the softmax twice.
    """

    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, average: Average = "logits"
    ) -> None:
        fusion = "late" if model.heads else "early"
        if reason := self.unsupported(model.modalities, fusion):
            raise ValueError(reason)
        super().__init__(model, optim)
        model.fusion = MeanFusion(model.heads, average)
        self.average = average

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model.modality_logits(self.model.encode(inputs), {})
        losses = {m: F.cross_entropy(z, labels) for m, z in logits.items()}
        objective = reduce(torch.add, losses.values())
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        with torch.no_grad():
            fused = averaged(list(logits.values()), self.average)
            loss = F.cross_entropy(fused, labels)
        metrics = {f"loss_{m}": own.detach() for m, own in losses.items()}
        return {**batch_metrics(fused, labels, loss), **metrics, "objective": objective.detach()}

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if fusion == "early":
            return "the unimodal ensemble averages each modality's own head; early fusion has none"
        return None if len(modalities) > 1 else "one modality alone is no ensemble"


class MeanFusion(LateFusion):
    """The mean of one head per modality, in place of `LateFusion`'s sum.

    It takes over `heads`, {m: (B, D_m) -> (B, C)}, with their weights and their names.
    """

    def __init__(self, heads: Mapping[str, nn.Module], average: Average) -> None:
        super().__init__({}, 0)
        self.heads, self.average = nn.ModuleDict(heads), average

    def forward(self, features: Features) -> Tensor:
        """The ensemble's logits (B, C); see `averaged`."""
        return averaged(list(self.modality_logits(features).values()), self.average)


def averaged(logits: Sequence[Tensor], average: Average) -> Tensor:
    """The ensemble's logits (B, C) from those of each model, M times (B, C).

    `logits`: their mean. `probabilities`: the logarithm of the mean probabilities.
    """
    stacked = torch.stack(list(logits))
    if average == "logits":
        return stacked.mean(0)
    return stacked.log_softmax(-1).logsumexp(0) - log(len(stacked))
