"""SAM (Foret et al. 2021), Eq. 9-10 of the paper."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.sharpness import sharpened


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
        with sharpened(self.model, rho=self.radius(), share=1):
            F.cross_entropy(self.model(inputs), labels).backward()
        self.optimizer.step()
        return batch_metrics(logits, labels, loss)

    def radius(self) -> float | Tensor:
        """The length of the perturbation along the gradient in `.grad`."""
        return self.rho
