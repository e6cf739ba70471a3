"""MSLR (Yao & Mihalcea, Findings of ACL 2022): a learning rate for each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Count, complaint_about


@register("mslr")
class MSLR(Method):
    """Multiplies the gradient of each modality's encoder and head by base_m * r_m.

    r_m = acc_m / mean(acc_m of the `window` epochs before), from validation accuracies, acts in the
    next epoch; it is 1 until `window` + 1 epochs have ended, and never accumulates.
    This is the paper's "dynamic" strategy as in AGM_ICCV2023@5a65542 (run/CREMAD_main.py:194-209,
    671-684); 'keep' uses the bases alone. Weight decay is not multiplied. The bases of that code
    are, for audio, visual and text: 1.3, 0.7 (AV-MNIST); 0.9, 1.1 (CREMA-D); 0.9, 1.4, 0.7
    (UR-Funny). A modality that `bases` does not name has 1. Departures from that code:

    - Validation accuracies; there the test split's, and in CREMA-D the visual ones for audio too.
    - r_m is 1 where the mean is 0; there it is infinite or undefined.
    - It acts in all epochs; there by default in the first twenty.
    """

    neutral: ClassVar[dict[str, Any]] = {"strategy": "keep"}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        bases: Mapping[str, float] | None = None,
        window: Count = 5,
        strategy: Literal["dynamic", "keep"] = "dynamic",
    ) -> None:
        super().__init__(model, optim)
        bases = bases or {}
        if problems := _base_problems(bases, model.modalities):
            raise ValueError("; ".join(problems))
        self.bases = {m: float(bases.get(m, 1.0)) for m in model.modalities}
        self.window, self.strategy = window, strategy
        self.ratios = dict.fromkeys(model.modalities, 1.0)
        self.memory: dict[str, list[float]] = {m: [] for m in model.modalities}

    @property
    def factors(self) -> dict[str, float]:
        """base_m * r_m, which the gradients of this epoch are multiplied by."""
        return {m: base * self.ratios[m] for m, base in self.bases.items()}

    @property
    def phase(self) -> tuple[float, ...]:
        """The factors, which a step takes as plain numbers."""
        return tuple(self.factors.values())

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        for m, factor in self.factors.items():
            parameters = self.model.modality_parameters(m)
            torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)
        self.optimizer.step()
        factors = {f"factor_{m}": loss.new_full((), factor) for m, factor in self.factors.items()}
        return {**batch_metrics(logits, labels, loss), **factors}

    def end_epoch(self, val: Mapping[str, float]) -> None:
        super().end_epoch(val)
        if self.strategy == "keep":
            return
        for m, memory in self.memory.items():
            accuracy = val[f"acc_{m}"]
            if len(memory) == self.window:
                mean = sum(memory) / self.window
                self.ratios[m] = accuracy / mean if mean > 0 else 1.0
                memory.pop(0)
            memory.append(accuracy)

    def state_dict(self) -> dict[str, Any]:
        memory = {m: list(values) for m, values in self.memory.items()}
        return {**super().state_dict(), "ratios": dict(self.ratios), "memory": memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.ratios = dict(state["ratios"])
        self.memory = {m: list(values) for m, values in state["memory"].items()}

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if fusion == "early":
            return "MSLR wants a head per modality: the joint network of early fusion has no rate"
        return None


def _base_problems(bases: Mapping[str, float], modalities: tuple[str, ...]) -> list[str]:
    known = ", ".join(modalities)
    problems = [f"bases names no modality '{m}'; it has {known}" for m in bases.keys() - modalities]
    for m, base in bases.items():
        wrong = complaint_about(base, float) or ("at least 0" if base < 0 else None)
        problems += [f"the base of '{m}' is {base!r}; it must be {wrong}"] if wrong else []
    return problems
