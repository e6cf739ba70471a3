"""Monge SAM (Jacobsen and Arvanitidis 2025, arXiv 2502.08448), which also calls itself M-SAM."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.sharpness import frozen_batchnorm, global_norm, perturbed


@register("monge_sam")
class MongeSAM(Method):
    """SAM with eps = rho g / (||g|| sqrt(1 + ||g||^2)): the worst case under G = I + g g^T.

    SAM near stationary points, plain SGD where the gradient is large. No code was published and
    no default rho could be verified: SAM's is taken.
    """

    neutral: ClassVar[dict[str, Any]] = {"rho": 0.0}

    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, rho: NonNegative = 0.05
    ) -> None:
        super().__init__(model, optim)
        self.rho = rho

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        gradient = {p: p.grad for p in self.model.parameters() if p.grad is not None}
        radius = self.rho / (1 + global_norm(list(gradient.values())).square()).sqrt()
        with perturbed(list(gradient), list(gradient.values()), radius):
            self.optimizer.zero_grad()
            with frozen_batchnorm(self.model):
                F.cross_entropy(self.model(inputs), labels).backward()
        self.optimizer.step()
        return {**batch_metrics(logits, labels, loss), "radius": radius}
