"""SAM (Foret et al. 2021), Eq. 9-10 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.sharpness import frozen_batchnorm, perturbed


@register("sam")
class SAM(Method):
    """The gradient at theta + rho g / ||g|| updates theta.

    Equal to davda54/sam@3c3afdb, except that BatchNorm records the first pass only. Weight decay
    is the optimiser's, at the restored theta (Eq. 10), and no part of the ascent.
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
        moved = [p for p in self.model.parameters() if p.grad is not None]
        gradient = [p.grad for p in moved]
        with perturbed(moved, gradient, self.radius(gradient)), frozen_batchnorm(self.model):
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(inputs), labels).backward()
        self.optimizer.step()
        return batch_metrics(logits, labels, loss)

    def radius(self, gradient: Sequence[Tensor]) -> float | Tensor:
        """The length of the perturbation along this gradient."""
        return self.rho
