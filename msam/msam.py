"""Modality-Aware SAM, Algorithm 1 of the paper (arXiv 2510.24919)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msam.losses import Split, modality_losses
from msam.method import Method, batch_metrics
from msam.model import Absent, Features, Inputs, MultimodalModel, evaluating
from msam.optim import OptimConfig
from msam.parameters import Count, NonNegative
from msam.shapley import (
    Coalition,
    Negatives,
    Value,
    coalition_logits,
    coalition_scores,
    contributions,
    dominant_mask,
    modality_shares,
    response_probabilities,
)
from msam.sharpness import Gradient, add_gradient, ascended, set_aside, sharpened

Scope = Literal["all", "dominant", "encoders"]
Coalitions = Literal["first_pass", "agm"]


class MSAM(Method):
    """Perturbs along the dominant modality's loss only.

    Each step: contributions nu_m of the batch (Eq. 20), the dominant modality d = argmax nu_m,
    the loss split into L_d and the residual L_s, and the update
    grad L_d(theta + eps) + grad L_s(theta) with eps = rho grad L_d / ||grad L_d||.

    With the default `scalar` split, L_d = nu_d L and L_s = (1 - nu_d) L. The update then equals
    nu_d grad L(theta + eps) + (1 - nu_d) grad L(theta): two forward and two backward passes, and
    which modality is dominant makes no difference, only nu_d does. The options are the rows of
    the spec ledger (docs/spec-ledger.md); the paper reports no rho.

    `coalitions='first_pass'` reuses the features of the first pass and runs the fusion in
    evaluation mode. `'agm'` takes the full response from the first pass and encodes the inputs
    again in evaluation mode for the others (AGM_ICCV2023@5a65542, model/CREMAD_net.py:57-72).
    `refresh=k` measures the contributions in every k-th step and keeps them in between.
    """

    neutral: ClassVar[dict[str, Any]] = {"rho": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 0.05,
        value: Value = "prob",
        split: Split = "scalar",
        scope: Scope = "all",
        residual: Literal["exclude", "include"] = "exclude",
        negatives: Negatives = "clip",
        absent: Absent = "zero_feature",
        coalitions: Coalitions = "first_pass",
        refresh: Count = 1,
    ) -> None:
        super().__init__(model, optim)
        self.rho, self.value, self.split, self.scope = rho, value, split, scope
        self.residual, self.negatives = residual, negatives
        self.absent, self.coalitions = absent, coalitions
        self.refresh, self.steps_taken = refresh, 0
        self.kept: dict[str, Tensor] = {}  # contributions, between refreshes
        if refresh > 1:
            self.uncapturable = "refresh counts steps on the host"

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        nu = self._current_contributions(inputs, features, logits, labels)
        if self.split == "scalar":
            self._scalar_gradient(inputs, labels, loss, nu)
        else:
            self._split_gradient(inputs, labels, features, nu)
        self.optimizer.step()
        shares = {f"contribution_{m}": share for m, share in nu.items()}
        shares["contribution_dominant"] = torch.stack(list(nu.values())).amax()
        return {**batch_metrics(logits, labels, loss), **shares}

    def _current_contributions(
        self, inputs: Inputs, features: Features, logits: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """The batch's contributions in every step, or in every `refresh`-th and kept between."""
        if self.refresh == 1:
            return self.batch_contributions(inputs, features, logits, labels)
        if self.steps_taken % self.refresh == 0:
            self.kept = self.batch_contributions(inputs, features, logits, labels)
        self.steps_taken += 1
        return self.kept

    @torch.no_grad()
    def batch_contributions(
        self, inputs: Inputs, features: Features, logits: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """nu_m of this batch, 0-dimensional, from features {m: (B, D_m)} and logits (B, C)."""
        names = self.model.modalities
        fused = self._coalition_logits(inputs, features, logits)
        if self.value == "response_prob":  # of each modality's response, not of a coalition
            return contributions(response_probabilities(fused, labels, names), self.negatives)
        scores = coalition_scores(fused, labels, self.value)
        return modality_shares(scores.__getitem__, names, negatives=self.negatives)

    def _coalition_logits(
        self, inputs: Inputs, features: Features, logits: Tensor
    ) -> dict[Coalition, Tensor]:
        absent = self.model.absent_features(inputs, features, self.absent)
        with evaluating(self.model):
            if self.coalitions == "agm":
                features = self.model.encode(inputs)
            values = coalition_logits(self.model.fusion, features, absent)
        if self.coalitions == "agm":
            values[frozenset(features)] = logits
        return values

    def _scalar_gradient(
        self, inputs: Inputs, labels: Tensor, loss: Tensor, nu: dict[str, Tensor]
    ) -> None:
        """Leaves nu_d g1 + (1 - nu_d) g in `.grad`; `residual='include'` leaves nu_d g1 + g."""
        nu_d = torch.stack(list(nu.values())).amax()
        self.optimizer.zero_grad()
        loss.backward()
        direction = self._direction(nu)
        if self.residual == "exclude":
            with sharpened(self.model, rho=self.rho, share=nu_d, direction=direction):
                F.cross_entropy(self.model(inputs), labels).backward()
            return
        with ascended(self.model, rho=self.rho, direction=direction) as clean:
            F.cross_entropy(self.model(inputs), labels).backward()
        sharp = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(sharp, nu_d)
        add_gradient(clean)

    def _split_gradient(
        self, inputs: Inputs, labels: Tensor, features: Features, nu: dict[str, Tensor]
    ) -> None:
        """Leaves grad L_d(theta + eps) + grad L_s(theta) in `.grad`, with losses per modality."""
        chosen = dominant_mask(torch.stack(list(nu.values())))
        losses = self._losses(inputs, features, labels)
        rest = losses.sum() if self.residual == "include" else (losses * (1 - chosen)).sum()
        self.optimizer.zero_grad()
        rest.backward(retain_graph=True)
        with set_aside(self.model):
            (losses * chosen).sum().backward()
            with sharpened(self.model, rho=self.rho, share=1, direction=self._direction(nu)):
                moved = self._losses(inputs, self.model.encode(inputs), labels)
                (moved * chosen).sum().backward()

    def _losses(self, inputs: Inputs, features: Features, labels: Tensor) -> Tensor:
        absent = self.model.absent_features(inputs, features, self.absent)
        return modality_losses(self.split, self.model, features, absent, labels)

    def _direction(self, nu: dict[str, Tensor]) -> Gradient | None:
        """The part of the gradient in `.grad` that is in scope (ledger row 5); None for all."""
        weights = self._scope_weights(nu)
        if weights is None:
            return None
        moving = [p for p in self.model.parameters() if p.grad is not None]
        return {p: p.grad * weights.get(p, 0.0) for p in moving}  # type: ignore[misc, operator]

    def _scope_weights(self, nu: dict[str, Tensor]) -> dict[nn.Parameter, float | Tensor] | None:
        """What each parameter's gradient is multiplied by: 1 in scope, 0 outside; None for all."""
        if self.scope == "all":
            return None
        if self.scope == "encoders":
            return dict.fromkeys(self.model.encoders.parameters(), 1.0)
        chosen = dominant_mask(torch.stack(list(nu.values())))
        weights: dict[nn.Parameter, float | Tensor] = {}
        for m, one in zip(nu, chosen.unbind(), strict=True):
            for p in self.model.modality_parameters(m):
                weights[p] = weights.get(p, 0.0) + one  # modalities may share an encoder
        return weights

    def state_dict(self) -> dict[str, Any]:
        if self.refresh == 1:
            return super().state_dict()
        return {**super().state_dict(), "steps_taken": self.steps_taken, "kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        device = next(self.model.parameters()).device
        self.steps_taken = state.get("steps_taken", 0)
        self.kept = {m: nu.to(device) for m, nu in state.get("kept", {}).items()}
