"""ASAM (Kwon et al., ICML 2021): SAM whose radius is measured relative to the weights."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.sharpness import global_norm, sharpened


@register("asam")
class ASAM(Method):
    """The gradient at theta + rho T^2 g / ||T g|| updates theta, T the size of each weight.

    Two optimisers go by this name. `form='samsung'`, the authors' SamsungLabs/ASAM@f156a68: T is
    |w| + eta for parameters whose name contains "weight", those of BatchNorm among them, and 1 for
    the others. `form='davda'`, davda54/sam@3c3afdb: T = |w| for every parameter, no eta, so that
    a weight of zero is never perturbed; its README recommends a rho ten times that of SAM.

    BatchNorm records the first pass only, which neither code sees to itself. The weights are
    copied back (samsung: the perturbation is subtracted again, off by rounding), and the floor of
    the norm is 1e-12 in both forms (samsung: 1e-16).
    """

    neutral: ClassVar[dict[str, Any]] = {"rho": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.5,
        eta: NonNegative = 0.01,
        form: Literal["samsung", "davda"] = "samsung",
    ) -> None:
        super().__init__(model, optim)
        self.rho, self.eta, self.form = rho, eta, form

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        named = {n: p for n, p in self.model.named_parameters() if p.grad is not None}
        params = list(named.values())
        sizes = [self.size(name, p) for name, p in named.items()]
        scaled = torch._foreach_mul(sizes, [p.grad for p in params])  # type: ignore[misc]  # T g
        length = global_norm(scaled)
        torch._foreach_mul_(scaled, sizes)  # T^2 g
        # `sharpened` divides by ||T^2 g||; Eq. 8 of the paper divides by ||T g||.
        radius = self.rho * global_norm(scaled) / (length + 1e-12)
        direction = dict(zip(params, scaled, strict=True))
        with sharpened(self.model, rho=radius, share=1, direction=direction):
            F.cross_entropy(self.model(inputs), labels).backward()
        self.optimizer.step()
        return batch_metrics(logits, labels, loss)

    @torch.no_grad()
    def size(self, name: str, parameter: nn.Parameter) -> Tensor:
        """T of one parameter, entry by entry."""
        if self.form == "davda":
            return parameter.abs()
        # The authors' rule is the name, and no property of the parameter, that decides.
        return parameter.abs() + self.eta if "weight" in name else torch.ones_like(parameter)
