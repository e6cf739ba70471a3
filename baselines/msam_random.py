"""Control for M-SAM: contributions that know nothing of the modalities."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from baselines.registry import register
from msam.losses import Split
from msam.model import Features, Inputs, MultimodalModel
from msam.msam import MSAM, Scope
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("msam_random")
class RandomMSAM(MSAM):
    """M-SAM with contributions drawn at random in every step.

    `draw='uniform'`: uniform on the simplex, all that is known beforehand. With two modalities
    nu_d is then uniform in [1/2, 1]. `draw='permuted'`: the contributions of the batch, dealt out
    to the modalities at random, so that nu_d keeps M-SAM's distribution and only the dominant
    modality's identity is lost; under the scalar split, where it has no influence, this is M-SAM
    itself. The other options are M-SAM's, where its defaults leave the contributions' own ones.
    """

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.05,
        draw: Literal["uniform", "permuted"] = "uniform",
        split: Split = "scalar",
        scope: Scope = "all",
        residual: Literal["exclude", "include"] = "exclude",
    ) -> None:
        super().__init__(model, optim, rho=rho, split=split, scope=scope, residual=residual)
        self.draw = draw

    @torch.no_grad()
    def batch_contributions(
        self, inputs: Inputs, features: Features, logits: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """nu_m drawn from the method's own generator, 0-dimensional, summing to 1."""
        names = self.model.modalities
        weights = logits.new_empty(len(names)).exponential_(generator=self.generator)
        if self.draw == "uniform":
            nu = weights / weights.sum()
        else:
            measured = super().batch_contributions(inputs, features, logits, labels)
            nu = torch.stack([measured[m] for m in names])[weights.argsort()]
        return dict(zip(names, nu.unbind(), strict=True))
