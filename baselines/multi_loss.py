"""Multi-loss: the fused loss plus the loss of each modality, nothing else (a control)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.gradients import LazyLinear, output_layers
from baselines.registry import register
from msam.losses import modality_losses
from msam.method import Method, batch_metrics
from msam.model import Absent, Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative, complaint_about


@register("multi_loss")
class MultiLoss(Method):
    """One step on L = CE(fused) + sum_m weight_m CE(u_m).

    kkontras/MLB@357b5ce (agents/general_agent/helpers/Trainer.py:222-236; no licence file) and
    kkontras/MCR@338d370 (MIT by its README) train this, with weights of 1 in the former: the part
    of MM-Pareto, MCR and ARL that is not their idea. Facts only were taken. The features are not
    detached, so each L_m trains its encoder.

    `heads='own'`, as published: u_m is a linear head on modality m's features, used in training
    only, in late and in early fusion. `heads='fusion'` takes u_m from the network itself: a
    modality's head with its whole bias in late fusion, and in early fusion the network with the
    others `absent`, in evaluation mode. `weight` is one number, or one for each modality that it
    names and 1 for the others. A loss of weight 0 is left out, and so is its own head.

    Departures: the fused logits have a bias for each modality (code: one bias in all; the same
    function, but the sum of the biases learns faster). `acc_m` is measured on the fusion, as for
    every method here (MCR reports the own heads). Optimiser and schedule are the suite's (code:
    Adam).
    """

    neutral: ClassVar[dict[str, Any]] = {"weight": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        weight: NonNegative | Mapping[str, NonNegative] = 1.0,
        heads: Literal["own", "fusion"] = "own",
        absent: Absent = "zero_feature",
    ) -> None:
        super().__init__(model, optim)
        self.absent = absent
        self.weights = {m: w for m, w in _weights(weight, model.modalities).items() if w > 0}
        outputs = output_layers(model) if heads == "own" and self.weights else {}
        self.heads = nn.ModuleDict(
            {
                m: LazyLinear(layer.out_features, self.generator, layer.weight)
                for m, layer in outputs.items()
                if m in self.weights
            }
        )
        if self.heads:
            self.optimizer.add_param_group({"params": list(self.heads.parameters())})

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        unimodal = self._unimodal_losses(inputs, features, labels)
        objective = sum((self.weights[m] * own for m, own in unimodal.items()), start=loss)
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        metrics = {f"loss_{m}": own.detach() for m, own in unimodal.items()}
        return {**batch_metrics(logits, labels, loss), **metrics, "objective": objective.detach()}

    def _unimodal_losses(
        self, inputs: Inputs, features: Features, labels: Tensor
    ) -> dict[str, Tensor]:
        """CE(u_m) of each modality whose weight is not 0, without its weight."""
        if not self.weights:
            return {}
        if self.heads:
            return {m: F.cross_entropy(u(features[m]), labels) for m, u in self.heads.items()}
        absent = self.model.absent_features(inputs, features, self.absent)
        losses = modality_losses("unimodal", self.model, features, absent, labels)
        by_modality = zip(self.model.modalities, losses.unbind(), strict=True)
        return {m: own for m, own in by_modality if m in self.weights}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "heads": self.heads.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.heads.load_state_dict(state["heads"])  # first: it gives the optimiser's weights shapes
        super().load_state_dict(state)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has one loss, the fused one"


def _weights(weight: float | Mapping[str, float], modalities: tuple[str, ...]) -> dict[str, float]:
    """The weight of each modality's loss; ValueError for a name or a value that does not fit."""
    if not isinstance(weight, Mapping):
        return dict.fromkeys(modalities, float(weight))
    problems = [f"weight names '{m}'" for m in weight if m not in modalities]
    problems += [
        f"weight of '{m}' is {value!r}; it must be {complaint}"
        for m, value in weight.items()
        if (complaint := complaint_about(value, NonNegative))
    ]
    if problems:
        raise ValueError(f"{'; '.join(problems)}; the modalities are {', '.join(modalities)}")
    return {m: float(weight.get(m, 1.0)) for m in modalities}
