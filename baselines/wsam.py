"""WSAM (Yue et al., KDD 2023, arXiv 2305.15817): sharpness as a weighted regulariser."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Interval, NonNegative
from msam.sharpness import ascended


@register("wsam")
class WSAM(Method):
    """SGD along g + w (g1 - g), w = gamma / (1 - gamma), with g1 SAM's gradient at theta + eps.

    gamma = 0 is SGD, 1/2 SAM; above, it extrapolates: the default 0.9 means w = 9. M-SAM with the
    scalar split is this method with gamma = nu_d / (1 + nu_d), between 1/3 and 1/2 for two
    modalities.

    `form='coupled'` hands the sum to the optimiser. `form='decoupled'`, the default of the
    released codes (kozistr/pytorch_optimizer@7a076d2, which cites the authors' intelligent-
    machine-learning/dlrover), hands it g and then moves theta by -lr w (g1 - g): the sharpness
    stays out of the momentum. Without momentum the two are the same. BatchNorm records the first
    pass only.
    """

    neutral: ClassVar[dict[str, Any]] = {"gamma": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.05,
        gamma: Annotated[float, Interval(0, 0.99)] = 0.9,
        form: Literal["coupled", "decoupled"] = "coupled",
    ) -> None:
        super().__init__(model, optim)
        self.rho, self.form = rho, form
        self.weight = gamma / (1 - gamma)

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        with ascended(self.model, rho=self.rho) as clean:
            F.cross_entropy(self.model(inputs), labels).backward()
        params, gradient = list(clean), list(clean.values())
        sharpness = torch._foreach_sub([p.grad for p in params], gradient)  # type: ignore[arg-type, misc]
        for p, g in clean.items():
            p.grad = g
        if self.form == "coupled":
            torch._foreach_add_(gradient, sharpness, alpha=self.weight)
        self.optimizer.step()
        if self.form == "decoupled":
            self._descend(params, sharpness)  # type: ignore[arg-type]
        return batch_metrics(logits, labels, loss)

    @torch.no_grad()
    def _descend(self, params: list[torch.nn.Parameter], sharpness: list[Tensor]) -> None:
        rate = self.optimizer.param_groups[0]["lr"]
        torch._foreach_add_(params, sharpness, alpha=-rate * self.weight)  # type: ignore[arg-type]
