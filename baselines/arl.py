"""ARL (Wei et al., ICCV 2025): asymmetric weights from each modality's prediction variance."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, MultimodalModel, evaluating
from msam.optim import OptimConfig
from msam.parameters import Fraction, Interval, NonNegative

START = 5  # default of ICCV2025-ARL@358af4f6


@register("arl")
class ARL(Method):
    """Joint and unimodal losses; encoder m's gradient is multiplied by 1 + w_m.

    shicaiwei123/ICCV2025-ARL@358af4f6 (MIT), main_arl_variance.py:76-182. u_m is what modality m
    says alone: its own head in late fusion, in early fusion the joint network with the features of
    the others zero. In epochs counted from 0:

    - epoch <= start: L = CE(fused) + sum_m CE(u_m);
    - epoch > start: L = CE(fused) + gamma sum_m CE(u_m), and the gradient of encoder m, of both
      kinds of loss, times 1 + w_m; heads and fusion are left alone;
    - always: the norm of all gradients is then clipped to `clip`.

    `weights='asymmetric'` is the paper's idea: w_m grows with the inverse of the entropy of u_m,
    which stands for the variance, and with the size of the other modality's logits. The released
    code computes this w, prints it and does not use it: there w_m is 1/2 always, `'equal'` (1/M
    here). `'none'` is w_m = 0. How w entered the paper's numbers cannot be told from the release;
    1 + w_m is what the class in it that scales gradients does.

    Departures: with M modalities the floor is 2/M of `floor`, which was made for shares of two, and
    the other's size is the mean over the others. A share that is undefined, because nothing is
    left to share, counts as 1/M. In early fusion the passes with absent modalities run in
    evaluation mode, as for every method here; the code has no BatchNorm behind its encoders.
    """

    neutral: ClassVar[dict[str, Any]] = {"gamma": 0.0, "weights": "none", "start": -1, "clip": None}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        gamma: NonNegative = 4.0,
        weights: Literal["asymmetric", "equal", "none"] = "asymmetric",
        T: NonNegative = 8.0,
        start: Annotated[int, Interval(-1)] = START,
        floor: Fraction = 0.3,
        clip: NonNegative | None = 40.0,
    ) -> None:
        super().__init__(model, optim)
        self.gamma, self.weights, self.T = gamma, weights, T
        self.start, self.floor, self.clip = start, floor, clip

    @property
    def phase(self) -> bool:
        """Whether the warm-up is over."""
        return self.epoch > self.start

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        own = self._unimodal_logits(inputs, features)
        unimodal = {m: F.cross_entropy(u, labels) for m, u in own.items()}
        gamma = self.gamma if self.phase else 1.0
        self.optimizer.zero_grad()
        (loss + gamma * sum(unimodal.values()) if gamma else loss).backward()
        weights = self._weights(torch.stack([u.detach() for u in own.values()]))
        if self.phase:
            self._scale_encoders(1 + weights)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip, foreach=True)
        self.optimizer.step()
        metrics = {f"loss_{m}": value.detach() for m, value in unimodal.items()}
        metrics |= {f"weight_{m}": w for m, w in zip(own, weights.unbind(), strict=True)}
        return {**batch_metrics(logits, labels, loss), **metrics}

    def _unimodal_logits(self, inputs: Inputs, features: Features) -> Features:
        """u_m with gradient, {m: (B, C)}; BatchNorm records nothing."""
        absent = self.model.absent_features(inputs, features, "zero_feature")
        with evaluating(self.model.fusion):
            return self.model.modality_logits(features, absent)

    def _weights(self, logits: Tensor) -> Tensor:
        """w_m of this batch, (M,), from the unimodal logits (M, B, C)."""
        if self.weights == "asymmetric":
            return asymmetric_weights(logits, self.T, self.floor)
        return torch.full_like(logits[:, 0, 0], 1 / len(logits) if self.weights == "equal" else 0.0)

    def _scale_encoders(self, factors: Tensor) -> None:
        for encoder, factor in zip(self.model.encoders.values(), factors, strict=True):
            gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
            if gradients:  # none where the encoder is frozen
                torch._foreach_mul_(gradients, factor)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has no other to compare with"

    @classmethod
    def too_short(cls, epochs: int, *, start: int = START, **params: Any) -> str | None:
        first = start + 2  # epochs count from 0 in `start`
        if epochs < first:
            return (
                f"ARL does not leave its warm-up within {epochs} epochs and trains as Multi-loss: "
                f"with start {start} the earliest epoch that it changes is {first}"
            )
        return None


def asymmetric_weights(logits: Tensor, T: float, floor: float) -> Tensor:
    """w = softmax over m of T n_other(m) v_m, (M,), from the unimodal logits (M, B, C).

    v is the inverse entropy's share, n the logits' size's; n_other(m) is the mean over the others.
    """
    sizes = size_shares(logits)
    others = (sizes.sum() - sizes) / (len(sizes) - 1)
    return (T * others * inverse_shares(entropy_shares(logits), floor)).softmax(0)


def entropy_shares(logits: Tensor) -> Tensor:
    """e_m = H_m / sum H, (M,): H_m is the batch's mean entropy of softmax, from (M, B, C)."""
    p = logits.softmax(2)
    return _shares(-(p * (p + 1e-16).log()).sum(2).mean(1))


def inverse_shares(entropies: Tensor, floor: float) -> Tensor:
    """v_m = g_m / sum g, (M,), with g_m = 1 / max(e_m, 2/M floor), from the shares e_m (M,)."""
    return _shares(1 / entropies.clamp_min(2 / len(entropies) * floor))


def size_shares(logits: Tensor) -> Tensor:
    """n_m, (M,): the share of sum_c mean_b |u_m[b, c]|, from (M, B, C)."""
    return _shares(logits.abs().mean(1).sum(1))


def _shares(amounts: Tensor) -> Tensor:
    """Divided by their sum, (M,); equal shares where that is zero."""
    return (amounts / amounts.sum()).nan_to_num(nan=1 / len(amounts))
