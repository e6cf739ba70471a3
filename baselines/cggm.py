"""CGGM (Guo et al., NeurIPS 2024): classifier-guided gradient modulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.gradients import LayerInputs, LazyLinear, output_layers, recorded_inputs
from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("cggm")
class CGGM(Method):
    """Classifiers on the detached features steer each encoder's gradient in size and direction.

    CGGM@21e428c, src/foodtrain.py:64-135. eps_m is the accuracy of classifier f_m on the batch:
    magnitude: encoder m's gradient times rho B_m, B_m = sum_{k != m} delta_k / sum_k delta_k, with
    delta_m the change of eps_m since the last step;
    direction: lam L_gm, L_gm = (1/M) (sum_m |B_m| - sum_m B_m cos(u_m, u_0)), is added to the loss.
    Then all gradients are clipped to the norm `clip`: B_m is about 1e7 when the changes cancel.

    `direction='weights'` is the code: u_m and u_0 are output weights, the term is the last step's,
    and what is left of it is a pull on u_0. `'gradients'` is the paper: u_m and u_0 are gradients
    of output weights, the term is this step's and reaches all that u_0 depends on; the code has
    no such form. `factor_limit` bounds |B_m|, `magnitude=False` leaves the encoders' gradients.

    Definitions that no source gives. Late fusion: u_0 is the modality's own block of the fused
    layer, (C, D_m), and f_m is linear. Early fusion: u_0 is the last layer, (C, H), and f_m has
    one hidden layer of H units, so that the shapes agree. The classifiers use the suite's SGD, at
    `classifier_lr_ratio` of its first learning rate (code: 5e-4 to 1e-3) and without schedule.
    rho, lam, clip are the code's for CMU-MOSI and IEMOCAP; no source has any for these data sets.
    The code's f_m is a small transformer on sequences, with a fusion that keeps the encoders'
    width. The M-SAM paper describes another CGGM, without classifiers: passes of one modality at
    a time through the shared network; that one is not built.
    """

    neutral: ClassVar[dict[str, Any]] = {"magnitude": False, "lam": 0.0, "clip": None}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        rho: NonNegative = 1.3,
        lam: NonNegative = 0.2,
        clip: NonNegative | None = 0.8,
        direction: Literal["weights", "gradients"] = "weights",
        magnitude: bool = True,
        factor_limit: NonNegative | None = None,
        classifier_lr_ratio: NonNegative = 0.5,
    ) -> None:
        super().__init__(model, optim)
        self.rho, self.lam, self.clip = rho, lam, clip
        self.direction, self.magnitude, self.factor_limit = direction, magnitude, factor_limit
        self.outputs = output_layers(model)
        self.classifiers = nn.ModuleDict({m: self._classifier(m) for m in model.modalities})
        self.classifier_optimizer = torch.optim.SGD(
            self.classifiers.parameters(),
            lr=classifier_lr_ratio * optim.lr,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
        )
        self.joint_weights = [o.weight for o in dict.fromkeys(self.outputs.values())]
        self.pulls = [torch.zeros_like(w) for w in self.joint_weights]  # of the step before
        # float64: a difference of accuracies that cancels must be zero, not rounding noise.
        self.scores = self.pulls[0].new_zeros(len(model.modalities), dtype=torch.float64)

    def _classifier(self, modality: str) -> nn.Sequential:
        """f_m, (B, D_m) -> (B, C); its last layer has the shape of the fused output layer."""
        output = self.outputs[modality]
        sizes = [output.out_features]
        if modality not in self.model.heads:
            sizes.insert(0, output.in_features)
        layers: list[nn.Module] = []
        for size in sizes:
            layers += [LazyLinear(size, self.generator, output.weight), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        with recorded_inputs(self.outputs.values()) as seen:
            logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        unimodal = [f(features[m].detach()) for m, f in self.classifiers.items()]
        self.classifier_optimizer.zero_grad()
        sum(F.cross_entropy(z, labels) for z in unimodal).backward()  # type: ignore[union-attr]
        factors = self._next_factors(unimodal, labels).to(logits.dtype)
        self.optimizer.zero_grad()
        if self.direction == "weights":
            direction = self._backward_with_last_pull(loss, factors)
        else:
            direction = self._backward_with_gradients(loss, logits, labels, seen, factors)
        self._modulate(factors)
        self.classifier_optimizer.step()
        self.optimizer.step()
        named = zip(self.model.modalities, factors.unbind(), strict=True)
        metrics = {f"factor_{m}": factor for m, factor in named}
        return {**batch_metrics(logits, labels, loss), **metrics, "direction_loss": direction}

    def _next_factors(self, unimodal: Sequence[Tensor], labels: Tensor) -> Tensor:
        """B_m (M,) from the scores of this step and the last one's, overwritten in place so that
        a captured step finds them."""
        scores = torch.stack([(z.argmax(1) == labels).double().mean() for z in unimodal])
        factors = modulation_factors(scores, self.scores)
        self.scores.copy_(scores)
        limit = self.factor_limit
        return factors if limit is None else factors.clamp(-limit, limit)

    def _backward_with_last_pull(self, loss: Tensor, factors: Tensor) -> Tensor:
        """Leaves grad L + lam grad L_gm(t-1) in `.grad`; L_gm of this step waits for the next."""
        loss.backward()
        if self.lam > 0:
            gradients = [w.grad for w in self.joint_weights]
            torch._foreach_add_(gradients, self.pulls, alpha=self.lam)  # type: ignore[arg-type]
        own = [f[-1].weight.detach() for f in self.classifiers.values()]  # type: ignore[index]
        direction = direction_loss(own, [o.weight for o in self.outputs.values()], factors)
        torch._foreach_copy_(self.pulls, torch.autograd.grad(direction, self.joint_weights))
        return direction.detach()

    def _backward_with_gradients(
        self, loss: Tensor, logits: Tensor, labels: Tensor, seen: LayerInputs, factors: Tensor
    ) -> Tensor:
        """Leaves grad (L + lam L_gm) in `.grad`; u_0 = (p - y)^T z / B is part of the graph."""
        p = logits.softmax(1)
        errors = p - torch.zeros_like(p).scatter(1, labels[:, None], 1.0)
        joint = [errors.T @ seen[o] / len(labels) for o in self.outputs.values()]
        own = [f[-1].weight.grad for f in self.classifiers.values()]  # type: ignore[index]
        direction = direction_loss(own, joint, factors)
        (loss + self.lam * direction if self.lam > 0 else loss).backward()
        return direction.detach()

    def _modulate(self, factors: Tensor) -> None:
        """Scales each encoder's gradient by rho B_m, then clips the gradient of the model."""
        if self.magnitude:
            for encoder, factor in zip(self.model.encoders.values(), factors, strict=True):
                scaled = [p.grad for p in encoder.parameters() if p.grad is not None]
                torch._foreach_mul_(scaled, self.rho * factor)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip, foreach=True)

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "classifiers": self.classifiers.state_dict(),
            "classifier_optimizer": self.classifier_optimizer.state_dict(),
            "pulls": self.pulls,
            "scores": self.scores,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.classifiers.load_state_dict(state["classifiers"])
        self.classifier_optimizer.load_state_dict(state["classifier_optimizer"])
        torch._foreach_copy_(self.pulls, state["pulls"])
        self.scores.copy_(state["scores"])

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has no other to balance with"


def modulation_factors(scores: Tensor, previous: Tensor) -> Tensor:
    """B_m from the scores (M,) of two consecutive steps: (M,), summing to M - 1."""
    delta = scores - previous
    total = delta.sum() + 1e-8
    return (total - delta) / total


def direction_loss(own: Sequence[Tensor], joint: Sequence[Tensor], factors: Tensor) -> Tensor:
    """L_gm from each classifier's tensor, the joint one of the same shape, and the factors (M,)."""
    pairs = zip(own, joint, strict=True)
    cosines = [F.cosine_similarity(u.flatten(), v.flatten(), dim=0) for u, v in pairs]
    return (factors.abs() - factors * torch.stack(cosines)).mean()
