"""MLB (Kontras et al., BMVC 2024): multi-loss balancing, a learning rate for each modality."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.gradients import LazyLinear, output_layers
from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("mlb")
class MLB(Method):
    """Joint and unimodal losses; what belongs to modality m learns c_m times as fast.

    kkontras/MLB@357b5ce (no licence file; facts only), class by class also in kkontras/MCR@338d3707
    (MIT by its README), agents/general_agent/helpers/Bias_Infusion.py:298-514. u_m is a linear head
    of modality m's own on the features h_m, used in training only. In every step:

    1. L = CE(fused) + w_aux sum_m CE(u_m), and its gradient;
    2. s_m = batch mean of the true-class probability under softmax(u_m);
       r_m = mean_{k != m} s_k / s_m;
       c_m = 1 + tanh(alpha (r_m - 1)), or 1 + (beta - 1) tanh(alpha (r_m - 1)) if r_m > 1;
    3. c_m multiplies the gradients of encoder m, of u_m, and of the weight of m's fused head.

    Without `beta` (None), c_m < 2 on both sides; beta < 1 slows the weaker modality as well.
    The code has one bias in the fused head and scales no bias there, so the biases of the suite's
    heads stay unscaled. In early fusion the joint block stays unscaled, as in the code.

    Departures: a c_m that is undefined, because all scores underflow, counts as 1 (code: NaN). With
    three modalities `beta` acts as with two; the copy in MCR ignores it there. The released classes
    of MLB cannot be constructed, and both codes use Adam; here it is the suite's SGD.
    """

    neutral: ClassVar[dict[str, Any]] = {"alpha": 0.0, "w_aux": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        alpha: NonNegative = 0.8,
        beta: NonNegative | None = None,
        w_aux: NonNegative = 1.0,
    ) -> None:
        super().__init__(model, optim)
        self.alpha, self.beta, self.w_aux = alpha, beta, w_aux
        outputs = output_layers(model)
        self.heads = nn.ModuleDict(
            {m: LazyLinear(o.out_features, self.generator, o.weight) for m, o in outputs.items()}
        )
        self.optimizer.add_param_group({"params": list(self.heads.parameters())})

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        own = [head(features[m]) for m, head in self.heads.items()]
        unimodal = [F.cross_entropy(u, labels) for u in own]
        self.optimizer.zero_grad()
        (loss + self.w_aux * sum(unimodal) if self.w_aux else loss).backward()
        scores = torch.stack([true_class_probability(u.detach(), labels) for u in own])
        factors = learning_rate_factors(scores, self.alpha, self.beta)
        self._scale_gradients(factors)
        self.optimizer.step()
        metrics: dict[str, Tensor] = {}
        for i, m in enumerate(self.model.modalities):
            metrics |= {f"loss_{m}": unimodal[i].detach(), f"factor_{m}": factors[i]}
        return {**batch_metrics(logits, labels, loss), **metrics}

    def _scale_gradients(self, factors: Tensor) -> None:
        """Multiplies what belongs to modality m by c_m; the fused biases and a block stay."""
        for m, factor in zip(self.model.modalities, factors, strict=True):
            own = [*self.model.encoders[m].parameters(), *self.heads[m].parameters()]
            if m in self.model.heads:
                own.append(self.model.heads[m].get_parameter("weight"))
            if gradients := [p.grad for p in own if p.grad is not None]:  # none if all are frozen
                torch._foreach_mul_(gradients, factor)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "heads": self.heads.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heads.load_state_dict(state["heads"])  # first: it gives the optimiser's weights shapes
        super().load_state_dict(state)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has no other to balance with"


def true_class_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """s_m, 0-dimensional: batch mean of the true class's probability, from logits (B, C)."""
    return logits.softmax(1).gather(1, labels[:, None]).mean()


def learning_rate_factors(scores: Tensor, alpha: float, beta: float | None) -> Tensor:
    """c_m from the scores s_m: (M,) -> (M,)."""
    ratios = (scores.sum() - scores) / (len(scores) - 1) / scores
    change = (alpha * (ratios - 1)).tanh()
    rise = change if beta is None else (beta - 1) * change
    return (1 + torch.where(ratios > 1, rise, change)).nan_to_num(nan=1.0)
