"""MM-Pareto (Wei and Hu, ICML 2024): Pareto integration of multimodal and unimodal gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.gradients import LazyLinear, flat, min_norm_weight, output_layers
from baselines.registry import register
from msam.losses import modality_losses
from msam.method import Method, batch_metrics
from msam.model import Absent, Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.sharpness import global_norm

Rescale = Literal["tensor", "encoder", "none"]
Gradients = dict[nn.Parameter, Tensor]


@register("mmpareto")
class MMPareto(Method):
    """Every encoder gets a conflict-free mix of the gradients of the joint and of its own loss.

    MMPareto_ICML2024@a339db3, code/MMPareto.py:88-209. The loss is L_mm + sum_m L_m; for encoder m,
    with g_mm and g_m its gradients of L_mm and L_m:
    (w, 1 - w) = (1/2, 1/2) if cos(g_mm, g_m) > 0, else the min-norm weights of the two;
    h = 2 w g_mm + 2 (1 - w) g_m;  .grad = gamma max(1, ||g_mm + g_m|| / ||h||) h.
    Everything outside the encoders gets the gradient of the summed loss. Each encoder sees two
    gradients only, so more modalities change nothing.

    `rescale='tensor'` takes the norms parameter by parameter, as the code does, `'encoder'` over
    the whole encoder; `'none'` leaves h as it is. `heads='own'` gives each modality a linear head
    on its features for L_m, used in training only, in late and in early fusion: the code's extra
    heads. `heads='fusion'` takes L_m from the network itself, a modality's head in late fusion
    and the network with the others `absent` in early fusion.

    Departures: where h is rounding noise (two nearly opposite gradients) it is set to zero; the
    code divides by its norm and gives NaN or a step of either sign. L_m reaches no encoder but
    its own, so two backward passes take the place of the code's four. Learning rate and schedule
    are the suite's (code: 2e-3, constant). For early fusion there is no published code.
    """

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        gamma: NonNegative = 1.5,
        rescale: Rescale = "tensor",
        heads: Literal["own", "fusion"] = "own",
        absent: Absent = "zero_feature",
    ) -> None:
        super().__init__(model, optim)
        self.gamma, self.rescale, self.absent = gamma, rescale, absent
        outputs = output_layers(model) if heads == "own" else {}
        self.heads = nn.ModuleDict(
            {m: LazyLinear(o.out_features, self.generator, o.weight) for m, o in outputs.items()}
        )
        if self.heads:
            self.optimizer.add_param_group({"params": list(self.heads.parameters())})

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        unimodal = self._unimodal_losses(inputs, features, labels)
        joint = self._gradients(loss, retain_graph=True)
        own = self._gradients(unimodal.sum())
        metrics = {}
        for m, encoder in self.model.encoders.items():
            params = [p for p in encoder.parameters() if p in joint]
            pair = [joint.pop(p) for p in params], [own.pop(p) for p in params]
            mixed, cosine = integrated(*pair, self.gamma, self.rescale)
            for p, gradient in zip(params, mixed, strict=True):
                p.grad = gradient
            metrics[f"cosine_{m}"] = cosine
        for p, gradient in joint.items():  # outside the encoders
            p.grad = gradient + own[p] if p in own else gradient
        self.optimizer.step()
        losses = zip(self.model.modalities, unimodal.detach().unbind(), strict=True)
        metrics |= {f"loss_{m}": value for m, value in losses}
        return {**batch_metrics(logits, labels, loss), **metrics}

    def _unimodal_losses(self, inputs: Inputs, features: Features, labels: Tensor) -> Tensor:
        """L_m of each modality: (M,)."""
        if self.heads:
            logits = [head(features[m]) for m, head in self.heads.items()]
            return torch.stack([F.cross_entropy(z, labels) for z in logits])
        absent = self.model.absent_features(inputs, features, self.absent)
        return modality_losses("unimodal", self.model, features, absent, labels)

    def _gradients(self, loss: Tensor, retain_graph: bool = False) -> Gradients:
        """The gradient of `loss` for every parameter that it reaches; the last one's stay in
        `.grad`."""
        self.optimizer.zero_grad()
        loss.backward(retain_graph=retain_graph)
        groups = self.optimizer.param_groups
        return {p: p.grad for g in groups for p in g["params"] if p.grad is not None}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "heads": self.heads.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heads.load_state_dict(state["heads"])  # first: it gives the optimiser's weights shapes
        super().load_state_dict(state)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has no second loss to integrate"


def integrated(
    joint: Sequence[Tensor], own: Sequence[Tensor], gamma: float, rescale: Rescale = "tensor"
) -> tuple[list[Tensor], Tensor]:
    """The gradient of one encoder from its two, tensor by tensor, and their cosine."""
    flat_joint, flat_own = flat(joint), flat(own)
    cosine = F.cosine_similarity(flat_joint, flat_own, dim=0)
    weight = torch.where(cosine > 0, 0.5, min_norm_weight(flat_joint, flat_own))
    mixed = list(torch._foreach_mul(joint, 2 * weight))  # type: ignore[call-overload]
    torch._foreach_add_(mixed, torch._foreach_mul(own, 2 - 2 * weight))  # type: ignore[call-overload]
    if rescale != "none":
        torch._foreach_mul_(mixed, _magnitudes(mixed, joint, own, rescale))
    torch._foreach_mul_(mixed, gamma)
    return mixed, cosine


def _magnitudes(
    mixed: Sequence[Tensor], joint: Sequence[Tensor], own: Sequence[Tensor], rescale: Rescale
) -> list[Tensor]:
    """max(1, ||joint + own|| / ||mixed||) for each tensor; 0 where mixed is rounding noise."""
    summed = torch._foreach_add(joint, own)  # type: ignore[call-overload]
    length, target, first, second = (_norms(t, rescale) for t in (mixed, summed, joint, own))
    floor = max(1e-12, 64 * torch.finfo(length.dtype).eps) * (first + second)
    magnitudes = torch.where(length > floor, (target / length).clamp_min(1), 0)
    return list(magnitudes.expand(len(mixed)).unbind())


def _norms(tensors: Sequence[Tensor], rescale: Rescale) -> Tensor:
    """(K,) tensor by tensor, or (1,) of all together."""
    if rescale == "encoder":
        return global_norm(tensors)[None]
    return torch.stack(torch._foreach_norm(tensors))  # type: ignore[arg-type]
