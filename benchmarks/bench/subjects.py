"""What is measured: shapes of a dataset's samples, a network, a batch of noise, a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baselines.registry import METHODS, build_method
from benchmarks.models import build_model
from benchmarks.plan.networks import Network
from msam.method import Method
from msam.optim import OptimConfig

Batch = tuple[dict[str, Tensor], Tensor]


@dataclass(frozen=True)
class Subject(Network):
    """A network, and batches of `batch` samples for it."""

    batch: int = 64

    def random_batch(self, device: torch.device) -> Batch:
        """Inputs {modality: (B, *shape)}, labels (B,) or (B * T,), the same in every call."""
        rng = torch.Generator().manual_seed(0)
        inputs = {m: torch.rand(self.batch, *s, generator=rng) for m, s in self.shapes.items()}
        labels = torch.randint(self.classes, (self.batch * self.segments,), generator=rng)
        return {m: x.to(device) for m, x in inputs.items()}, labels.to(device)

    def method(self, name: str, fusion: str, device: torch.device, **params: Any) -> Method:
        """A fresh method on a fresh network, the same weights in every call."""
        torch.manual_seed(0)
        model = build_model(self.shapes, self.classes, fusion, self.encoder).to(device)
        return build_method(name, model, OptimConfig(), **params)

    def method_names(self, fusion: str) -> list[str]:
        """Every registered method that can train this."""
        modalities = tuple(self.shapes)
        return [n for n, c in METHODS.items() if not c.unsupported(modalities, fusion)]


AVMNIST = {"audio": (1, 112, 112), "visual": (1, 28, 28)}
PAPER = Subject("avmnist", AVMNIST, 10, "resnet18")
SMALL = Subject("avmnist", AVMNIST, 10, "small_cnn")
