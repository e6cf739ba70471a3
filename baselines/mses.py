"""MSES (Fujimori et al., ACPR 2019): each modality is stopped early on its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Interval
from msam.sharpness import frozen_batchnorm

PATIENCE = 10  # AV-MNIST in AGM_ICCV2023@5a65542


@dataclass
class Watch:
    """One modality's validation loss, smoothed over two epochs, and the epoch of its minimum."""

    previous: float | None = None
    smoothed: float = math.inf
    lowest: float = math.inf
    lowest_epoch: int = 0
    stopped: bool = False

    def observe(self, loss: float, epoch: int) -> bool:
        """Enters an epoch's loss; whether the smoothed loss is strictly lower than ever before.

        The filter has two taps on raw losses; an exponential average would have more.
        """
        self.smoothed = loss if self.previous is None else 0.6 * self.previous + 0.4 * loss
        self.previous = loss
        if improved := self.smoothed < self.lowest:
            self.lowest, self.lowest_epoch = self.smoothed, epoch
        return improved


@register("mses")
class MSES(Method):
    """Stops modality m when its validation loss has had no new minimum for `patience` epochs.

    It goes back to its best epoch and stays there; when all have stopped, the run ends. The rule is
    that of AGM_ICCV2023@5a65542 (run/CREMAD_main.py:211-226, 627-745), the only code in this
    setting; its patience is 10 (AV-MNIST), 80 (CREMA-D), 30 (UR-Funny). Options and departures:

    - Validation data decide; there, the test split (UR-Funny: validation). All epochs count;
      there, by default, multipliers act in the first twenty only.
    - `stop='freeze'`: no gradient, and BatchNorm records nothing. `'zero_gradient'` is that
      code's: momentum, weight decay and BatchNorm's statistics still move the modality.
    - `restore='modality'` takes only the stopped modality back; `'model'` is that code's: the whole
      model and its momentum, the last one of several winning. The learning rate stays the
      schedule's; theirs goes back too. `'none'` leaves the weights where they are.
    - The first epoch can be restored; there, that finds no file or restores nothing.
    - `loss='multitask'` adds each modality's own loss, as the paper's abstract says; that code
      trains on the fused loss alone.
    """

    neutral: ClassVar[dict[str, Any]] = {"patience": 10**9}  # epochs that no run outlasts

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        patience: Annotated[int, Interval(0)] = PATIENCE,
        stop: Literal["freeze", "zero_gradient"] = "freeze",
        restore: Literal["modality", "model", "none"] = "modality",
        loss: Literal["fused", "multitask"] = "fused",
    ) -> None:
        super().__init__(model, optim)
        self.patience, self.stop, self.restore, self.loss = patience, stop, restore, loss
        self.watches = {m: Watch() for m in model.modalities}
        self.saved: dict[str, dict[str, Any]] = {}  # each modality's best epoch

    @property
    def phase(self) -> tuple[str, ...]:
        """The modalities that are stopped."""
        return tuple(m for m, watch in self.watches.items() if watch.stopped)

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        stopped = self.phase
        frozen = stopped if self.stop == "freeze" else ()
        with frozen_batchnorm(nn.ModuleList(self.model.encoders[m] for m in frozen)):
            features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        total = loss = F.cross_entropy(logits, labels)
        if self.loss == "multitask":
            own = self.model.fusion.modality_logits(features).values()  # type: ignore[operator]
            total = loss + sum(F.cross_entropy(z, labels) for z in own)
        self.optimizer.zero_grad()
        total.backward()
        for p in (p for m in stopped for p in self.model.modality_parameters(m)):
            # Not zero: momentum and weight decay would still move a frozen modality.
            p.grad = None if self.stop == "freeze" else torch.zeros_like(p)
        self.optimizer.step()
        active = {f"active_{m}": loss.new_full((), m not in stopped) for m in self.watches}
        return {**batch_metrics(logits, labels, loss), **active}

    def end_epoch(self, val: Mapping[str, float]) -> None:
        super().end_epoch(val)
        for m, watch in self.watches.items():
            improved = watch.observe(val[f"loss_{m}"], self.epoch)
            if improved and not watch.stopped and self.restore != "none":
                self.saved[m] = self._snapshot(m)
        for m, watch in self.watches.items():
            if not watch.stopped and self.epoch - watch.lowest_epoch > self.patience:
                watch.stopped = True
                self._go_back(m)
        self.finished = all(watch.stopped for watch in self.watches.values())

    def _part(self, modality: str) -> nn.Module:
        """What goes back with a modality."""
        if self.restore == "model":
            return self.model
        return nn.ModuleList([self.model.encoders[modality], self.model.heads[modality]])

    def _snapshot(self, modality: str) -> dict[str, Any]:
        snapshot = {"weights": self._part(modality).state_dict()}
        if self.restore == "model":
            snapshot["optimizer"] = self.optimizer.state_dict()
        return deepcopy(snapshot)

    def _go_back(self, modality: str) -> None:
        saved = self.saved.pop(modality, {})
        if "weights" in saved:
            self._part(modality).load_state_dict(saved["weights"])
        if "optimizer" in saved:
            rates = [group["lr"] for group in self.optimizer.param_groups]
            self.optimizer.load_state_dict(saved["optimizer"])
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        watches = {m: asdict(watch) for m, watch in self.watches.items()}
        return {**super().state_dict(), "watches": watches, "saved": self.saved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.watches = {m: Watch(**watch) for m, watch in state["watches"].items()}
        self.saved = state["saved"]

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if fusion == "early":
            return "MSES stops an encoder with its own head, which early fusion does not have"
        return None

    @classmethod
    def too_short(cls, epochs: int, *, patience: int = PATIENCE, **params: Any) -> str | None:
        first = patience + 3  # the earliest epoch that trains with a stopped modality
        if epochs < first:
            return (
                f"MSES cannot stop a modality within {epochs} epochs: with patience {patience} "
                f"the earliest epoch that it changes is {first}"
            )
        return None
