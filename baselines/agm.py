"""AGM (Li et al., ICCV 2023): adaptive gradient modulation of the mono-modal responses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Absent, Features, Inputs, MultimodalModel, evaluating
from msam.optim import OptimConfig
from msam.parameters import Fraction, Interval, NonNegative
from msam.shapley import coalition_logits, shapley_responses
from msam.sharpness import global_norm

_STATE = ("coefficients", "running_scores", "batches_seen")


def response_scores(responses: Mapping[str, Tensor], labels: Tensor, floor: float) -> Tensor:
    """s_m, (M,): mean of -ln p of the true class under softmax(Phi_m); p is at least `floor`."""
    losses = [F.cross_entropy(z, labels, reduction="none") for z in responses.values()]
    return torch.stack(losses).clamp_max(-math.log(floor) if floor else math.inf).mean(1)


def ratios(scores: Tensor) -> Tensor:
    """r_m = exp(M / (M - 1) (mean s - s_m)), (M,): above 1 for a modality better than the mean."""
    count = len(scores)
    return (count / (count - 1) * (scores.mean() - scores)).exp()


def modulated(response: Tensor, coefficient: Tensor) -> Tensor:
    """The same value with `coefficient` times its gradient."""
    value = response.detach()
    return value + coefficient * (response - value)


@register("agm")
class AGM(Method):
    """The gradient that reaches each response Phi_m is multiplied by kappa_m.

    kappa_m = exp(alpha min(t_m - r_m, cap)): r_m compares the modalities on this batch, t_m on the
    mean scores of all batches before. As in AGM_ICCV2023@5a65542 (model/CREMAD_net.py:57-72,
    run/CREMAD_main.py:130-166), the full response comes from the training pass, the others from
    evaluation-mode passes with gradient, an absent modality being a zero input; we encode twice,
    not once per coalition. Options and departures:

    - `modulation_epochs=None` modulates always, as the authors do (lihongcs/AGM, issue 10); the
      released default is 20. `after_window='frozen'` then keeps the last batch's coefficients for
      good, as released; 'off' goes on without any.
    - `cap` is 10 in CREMA-D's code, 7 in UR-Funny's; AV-MNIST's has none and can overflow.
    - `probability_floor` is missing (0) in UR-Funny's code, whose scores can become infinite.
    - `clip`: if an entry of the last linear layers' gradient exceeds it, the gradient is scaled to
      that norm (5 for UR-Funny). That code clips all methods in early fusion; ours only this one.
    - `coalitions='first_pass'` takes the training pass's features, and constants for absence.
    """

    neutral: ClassVar[dict[str, Any]] = dict(modulation_epochs=0, after_window="off", clip=None)

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        alpha: NonNegative = 1.0,
        cap: NonNegative | None = 10.0,
        modulation_epochs: Annotated[int, Interval(0)] | None = None,
        after_window: Literal["frozen", "off"] = "frozen",
        probability_floor: Fraction = 1e-8,
        clip: NonNegative | None = 1.0,
        coalitions: Literal["agm", "first_pass"] = "agm",
        absent: Absent = "zero_input",
    ) -> None:
        super().__init__(model, optim)
        self.alpha, self.cap = alpha, math.inf if cap is None else cap
        self.floor, self.clip = probability_floor, clip
        self.modulation_epochs, self.after_window = modulation_epochs, after_window
        self.coalitions, self.absent = coalitions, absent
        weight = next(model.parameters())
        self.coefficients = weight.new_ones(len(model.modalities))
        self.running_scores = weight.new_zeros(len(model.modalities))
        self.batches_seen = weight.new_zeros(())

    @property
    def phase(self) -> bool:
        """Whether this epoch lies in the window."""
        return self.modulation_epochs is None or self.epoch < self.modulation_epochs

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        fused = logits = self.model.fusion(features)
        coefficients = torch.ones_like(self.coefficients)
        inside = self.phase
        if inside or self.after_window == "frozen":
            responses = self.responses(inputs, features, logits)
            if inside:
                self.update_coefficients(responses, labels)
            coefficients = self.coefficients
            fused = sum(map(modulated, responses.values(), coefficients))
        loss = F.cross_entropy(fused, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self._clip_gradient(logits.shape[1])
        self.optimizer.step()
        named = zip(self.model.modalities, coefficients.unbind(), strict=True)
        return {**batch_metrics(logits, labels, loss), **{f"coefficient_{m}": k for m, k in named}}

    def responses(self, inputs: Inputs, features: Features, logits: Tensor) -> dict[str, Tensor]:
        """Phi_m, {m: (B, C)} with gradient, given the training pass's features and logits."""
        with evaluating(self.model):
            values = coalition_logits(self.model.fusion, *self._padded_features(inputs, features))
        values[frozenset(features)] = logits
        return shapley_responses(values, self.model.modalities)

    def _padded_features(self, inputs: Inputs, features: Features) -> tuple[Features, Features]:
        """Features (B, D_m) of the inputs and (1, D_m) of absence, in evaluation mode; for T
        segments (B * T, D_m) and (T, D_m)."""
        if self.coalitions == "first_pass":
            return features, self.model.absent_features(inputs, features, self.absent)
        extended = {m: torch.cat([x, torch.zeros_like(x[:1])]) for m, x in inputs.items()}
        encoded = self.model.encode(extended)
        kept = 1.0 if self.absent == "zero_input" else 0.0
        rows = {m: len(phi) for m, phi in features.items()}  # behind them are those of absence
        absent = {m: kept * phi[rows[m] :] for m, phi in encoded.items()}
        return {m: phi[: rows[m]] for m, phi in encoded.items()}, absent

    @torch.no_grad()
    def update_coefficients(self, responses: Mapping[str, Tensor], labels: Tensor) -> None:
        """kappa_m of this batch; then its scores enter the plain mean over all batches so far."""
        scores = response_scores(responses, labels, self.floor)
        excess = (ratios(self.running_scores) - ratios(scores)).clamp_max(self.cap)
        self.coefficients = (self.alpha * excess).exp()
        self.batches_seen = self.batches_seen + 1
        self.running_scores = self.running_scores.lerp(scores, 1 / self.batches_seen)

    def _clip_gradient(self, classes: int) -> None:
        linear = [x for x in self.model.fusion.modules() if isinstance(x, nn.Linear)]
        heads = [x.weight.grad for x in linear if x.out_features == classes]
        if self.clip is None or not heads:  # a fusion of another kind
            return
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        largest = torch.stack([g.abs().amax() for g in heads]).amax()  # type: ignore[union-attr]
        factor = self.clip / (global_norm(gradients) + 1e-6)  # below 1: the norm exceeds it
        torch._foreach_mul_(gradients, torch.where(largest > self.clip, factor, 1.0))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), **{name: getattr(self, name) for name in _STATE}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name in _STATE:
            setattr(self, name, state[name].to(getattr(self, name).device))

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "AGM compares modalities: it needs at least two"
