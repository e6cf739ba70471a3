"""OGM-GE (Peng et al., CVPR 2022): slows the stronger modality down and adds noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Interval, NonNegative

Coefficients = dict[str, Tensor]  # k_m, 0-dimensional
Epoch = Annotated[int, Interval(0)]


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """s_m: the batch's sum of true-class probabilities, from a modality's own logits (B, C)."""
    return logits.softmax(1).gather(1, labels[:, None]).sum()


def pairwise_coefficients(scores: Mapping[str, Tensor], alpha: float) -> Coefficients:
    """k_m = 1 - tanh(alpha rho_m) for the stronger of two modalities, 1 for the other, Eq. 10.

    rho_m is s_m over the other's score. One modality is always slowed: the first one in a tie.
    """
    (first, s_first), (second, s_second) = scores.items()
    ratio = s_second / s_first
    slowed = 1 - torch.stack([alpha / ratio, alpha * ratio]).tanh()
    leads = torch.stack([~(ratio > 1), ratio > 1])
    return dict(zip((first, second), torch.where(leads, slowed, 1.0).unbind(), strict=True))


def averaged_coefficients(scores: Mapping[str, Tensor], alpha: float) -> Coefficients:
    """Any number of modalities: rho_m is the mean of s_m over each other score; slowed if > 1.

    Its authors' proposal (OGM-GE_CVPR2022, issue 16). BalanceBenchmark@4c1482f means the same
    (balancemm/trainer/OGM_trainer.py:104-151) but divides for the last modality only.
    """
    s = torch.stack(list(scores.values()))
    quotients = s[:, None] / (s[None, :] + 1e-5)
    ratio = (quotients.sum(1) - quotients.diagonal()) / (len(s) - 1)
    slowed = torch.where(ratio > 1, 1 - (alpha * ratio).tanh(), 1.0)
    return dict(zip(scores, slowed.unbind(), strict=True))


_SCOPES = {"conv": lambda g: g.ndim == 4, "matrices": lambda g: g.ndim >= 2, "all": lambda g: True}


@register("ogm_ge")
class OGMGE(Method):
    """Multiplies encoder gradients by k_m and adds noise of the raw gradient's own spread.

    OGM-GE_CVPR2022@343dc1d (main.py:82-150): g <- k_m g + (std(g) + 1e-8) N(0, I) for both
    modalities, the std (N - 1) over the entries of one tensor before it is multiplied, in the
    epochs `modulation_starts` to `modulation_ends`, counted from 0, both included. Heads and fusion
    are left alone. Departures:

    - `scope='matrices'`: weights with two dimensions or more, as its authors advise (issue 22);
      `'conv'`, the released filter of four, would leave linear and attention layers untouched and
      is the same for a ResNet trunk.
    - A coefficient that is undefined, because both scores underflow, counts as 1.
    - A tensor of one entry has no spread and gets no noise; there it raises an error.

    Its alpha is 0.8 for CREMA-D and 0.1 for VGGSound; it has none for the other datasets.
    """

    neutral: ClassVar[dict[str, Any]] = {"alpha": 0.0, "noise": False}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        alpha: NonNegative = 0.8,
        noise: bool = True,
        modulation_starts: Epoch = 0,
        modulation_ends: Epoch = 50,
        scope: Literal["matrices", "conv", "all"] = "matrices",
        beyond_two: Literal["refuse", "averaged"] = "refuse",
    ) -> None:
        super().__init__(model, optim)
        if reason := self.unsupported(model.modalities, "late", beyond_two=beyond_two):
            raise ValueError(reason)
        self.alpha, self.noise, self.scope = alpha, noise, scope
        self.window = (modulation_starts, modulation_ends)

    @property
    def phase(self) -> bool:
        """Whether this epoch lies in the window."""
        return self.window[0] <= self.epoch <= self.window[1]

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        coefficients = {m: torch.ones_like(loss.detach()) for m in self.model.modalities}
        if self.phase:
            own = self.model.fusion.modality_logits(features)  # type: ignore[operator]
            coefficients = self.coefficients(own, labels)
            self.modulate(coefficients)
        self.optimizer.step()
        reported = {f"coefficient_{m}": k for m, k in coefficients.items()}
        return {**batch_metrics(logits, labels, loss), **reported}

    @torch.no_grad()
    def coefficients(self, modality_logits: Mapping[str, Tensor], labels: Tensor) -> Coefficients:
        """k_m of this batch from each modality's own logits {m: (B, C)}."""
        rule = pairwise_coefficients if len(modality_logits) == 2 else averaged_coefficients
        scores = {m: confidence(z, labels) for m, z in modality_logits.items()}
        return {m: k.nan_to_num(nan=1.0) for m, k in rule(scores, self.alpha).items()}

    @torch.no_grad()
    def modulate(self, coefficients: Coefficients) -> None:
        """g <- k_m g + noise in the `.grad` of every encoder weight in scope."""
        in_scope = _SCOPES[self.scope]
        for m, coefficient in coefficients.items():
            gradients = [p.grad for p in self.model.encoders[m].parameters() if p.grad is not None]
            for g in filter(in_scope, gradients):
                spread = g.std() + 1e-8 if g.numel() > 1 else 0.0  # before g is multiplied
                g.mul_(coefficient)
                if self.noise:
                    g.add_(spread * self.standard_normal(g))

    def standard_normal(self, like: Tensor) -> Tensor:
        """Independent N(0, 1) entries from the method's own generator."""
        return torch.empty_like(like).normal_(generator=self.generator)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if fusion == "early":
            return "OGM-GE needs the logits of each modality's own head; early fusion has none"
        if len(modalities) < 2 or (len(modalities) > 2 and params.get("beyond_two") != "averaged"):
            return "OGM-GE compares two modalities (more only with beyond_two=averaged)"
        return None
