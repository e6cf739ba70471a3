"""MASAM (ICLR 2026, OpenReview AUKeDukcUi): SAM on the encoder of the dominant modality only.

Released code: Orange2107/MASAM-Multimodal-Adaptive-SAM@713f931, which does something else: the
options are the differences, and with `MASAM.published` it is that code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.alignment import Ascent, Conflict, Gamma, Scale, ascent, loss_decay
from baselines.registry import register
from msam.losses import modality_losses
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Fraction, NonNegative
from msam.shapley import dominant_mask
from msam.sharpness import Gradient, frozen_batchnorm, perturbed


@register("masam")
class MASAM(Method):
    """Perturbs the encoder with the best score (APS) along its fusion gradient (MDPS).

    The loss is L + sum L_m: L of the fused logits, L_m `unimodal_weight` times that of modality m
    alone. With g_m and u_m their gradients in encoder m, gamma_m = cos(g_m, u_m) and MA_m the
    moving average of L_m,

    APS_m = alpha max(0, L_m^(t-1) - MA_m^(t)) + (1 - alpha) gamma_m,
    eps_m = rho gamma_m g_m / ||g_m|| for m = argmax APS, the first of several, and 0 for others.

    The chosen encoder moves along grad L(theta + eps) + u_m, everything else along its gradient
    at theta. Options: see `ascent`; `second_loss`, the loss at theta + eps; `other_grads`, where
    the encoders that are not chosen take their gradient; `target='all'` chooses every encoder.

    Departures from paper and code: L_m is read from the fusion's own heads (code: extra heads);
    with early fusion, which neither treats, from the joint network in evaluation mode with the
    other modalities absent. Vanishing gradients give zero, not 0/0. BatchNorm records the first
    pass only. The optimiser is the suite's SGD (code: AdamW).
    """

    neutral: ClassVar[dict[str, Any]] = {"rho": 0.0, "unimodal_weight": 0.0}
    published: ClassVar[dict[str, Any]] = {
        "gamma": "tensor_mean",
        "conflict": "full",
        "scale": "last_tensor",
        "second_loss": "total",
        "other_grads": "perturbed",
    }

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.3,
        alpha: Fraction = 0.5,
        beta: Fraction = 0.9,
        unimodal_weight: NonNegative = 1.0,
        gamma: Gamma = "concat",
        conflict: Conflict = "clamp0",
        scale: Scale = "gamma",
        second_loss: Literal["fusion", "total"] = "fusion",
        other_grads: Literal["clean", "perturbed"] = "clean",
        target: Literal["dominant", "all"] = "dominant",
    ) -> None:
        super().__init__(model, optim)
        self.rho, self.alpha, self.beta = rho, alpha, beta
        self.unimodal_weight, self.target = unimodal_weight, target
        self.second_loss, self.other_grads = second_loss, other_grads
        self.reading = {"gamma": gamma, "conflict": conflict, "scale": scale}
        # MA_m and L_m of the step before: (2, M); NaN as long as there is none.
        self.history = next(model.parameters()).new_full((2, len(model.modalities)), torch.nan)

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits, loss, losses = self._losses(inputs, labels)
        fused = self._backward(loss, retain_graph=True)
        alone = self._backward(losses.sum())
        parts = [(self._of(m, fused), self._of(m, alone)) for m in self.model.modalities]
        ascents = [ascent(g.values(), u.values(), **self.reading) for g, u in parts]  # type: ignore[arg-type]
        gamma = torch.stack([a.gamma for a in ascents])
        scores = self.alpha * loss_decay(losses, self.history, self.beta) + (1 - self.alpha) * gamma
        chosen = dominant_mask(scores) if self.target == "dominant" else torch.ones_like(scores)
        with self._perturbed(fused, ascents, chosen):
            _, moved, moved_losses = self._losses(inputs, labels)
            moved = moved + moved_losses.sum() if self.second_loss == "total" else moved
            sharp = self._backward(moved)
        self._mix(fused, alone, sharp, chosen)
        self.optimizer.step()
        metrics = batch_metrics(logits, labels, loss)
        for i, m in enumerate(self.model.modalities):
            metrics |= {f"score_{m}": scores[i], f"gamma_{m}": gamma[i], f"dominant_{m}": chosen[i]}
        return metrics

    def _losses(self, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The fused logits (B, C), L, and every L_m (M,)."""
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)  # first: the losses of early fusion use its statistics
        absent = self.model.absent_features(inputs, features, "zero_feature")
        losses = modality_losses("unimodal", self.model, features, absent, labels)
        return logits, F.cross_entropy(logits, labels), self.unimodal_weight * losses

    def _backward(self, loss: Tensor, retain_graph: bool = False) -> Gradient:
        self.optimizer.zero_grad()
        loss.backward(retain_graph=retain_graph)
        return {p: p.grad for p in self.model.parameters() if p.grad is not None}

    def _of(self, m: str, gradient: Gradient) -> Gradient:
        """The part of `gradient` in the encoder of modality m."""
        return {p: gradient[p] for p in self.model.encoders[m].parameters() if p in gradient}

    @contextmanager
    def _perturbed(self, fused: Gradient, ascents: list[Ascent], chosen: Tensor) -> Iterator[None]:
        """theta + eps inside; each encoder's perturbation has its own norm."""
        with ExitStack() as stack:
            for m, a, one in zip(self.model.modalities, ascents, chosen, strict=True):
                radius = self.rho * a.scale * one
                stack.enter_context(perturbed(list(self._of(m, fused)), a.direction, radius))
            stack.enter_context(frozen_batchnorm(self.model))
            yield

    def _mix(self, fused: Gradient, alone: Gradient, sharp: Gradient, chosen: Tensor) -> None:
        """Leaves g + u in `.grad`; in the chosen encoders the second pass's gradient replaces g,
        or g + u if it is that of the total loss."""
        moved = torch.ones_like(chosen) if self.other_grads == "perturbed" else chosen
        for p in self.model.parameters():
            parts = [gradient[p] for gradient in (fused, alone) if p in gradient]
            p.grad = sum(parts[1:], parts[0]) if parts else None
        for m, one in zip(self.model.modalities, moved, strict=True):
            change, total = self._of(m, sharp), [p.grad for p in self._of(m, sharp)]
            replaced = total if self.second_loss == "total" else [fused[p] for p in change]
            torch._foreach_sub_(list(change.values()), replaced)  # type: ignore[arg-type]
            torch._foreach_mul_(list(change.values()), one)
            torch._foreach_add_(total, list(change.values()))  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.history.copy_(state["history"])
