"""What is timed, and how: workloads, and interleaved timing.

Interleaving spreads a slow moment of the machine over everything that is compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from baselines.registry import METHODS, build_method
from benchmarks.models import build_model
from benchmarks.plan.networks import Network
from benchmarks.training.numerics import rounding_to_tf32
from msam.method import Method
from msam.optim import OptimConfig

Batch = tuple[dict[str, Tensor], Tensor]
Seconds = dict[str, list[float]]
Row = dict[str, Any]
NOT_RUN = "not run"


@dataclass(frozen=True)
class Workload(Network):
    """A network, and batches of `batch` random samples for it."""

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
        """Every registered method that can train this network."""
        modalities = tuple(self.shapes)
        return [n for n, c in METHODS.items() if not c.unsupported(modalities, fusion)]


AVMNIST = {"audio": (1, 112, 112), "visual": (1, 28, 28)}
PAPER = Workload("avmnist", AVMNIST, 10, "resnet18")
SMALL = Workload("avmnist", AVMNIST, 10, "small_cnn")


@dataclass(frozen=True)
class Setting:
    """The device and the number of rounds of a measurement."""

    device: torch.device
    rounds: int


def interleaved(
    actions: Mapping[str, Callable[[], object]], setting: Setting, warm: bool = False
) -> Seconds:
    """Seconds of each action, one per round, in exact float32 as runs train.

    Each action is called once before, untimed, unless all are `warm` already.
    """
    times: Seconds = {name: [] for name in actions}
    with rounding_to_tf32(False):
        for action in actions.values() if not warm else ():
            action()
        for _ in range(setting.rounds):
            for name, action in actions.items():
                times[name].append(_seconds(action, setting.device))
    return times


def ratio(times: Seconds, name: str, reference: str) -> float:
    """How long `name` takes relative to `reference`: the median over the rounds."""
    pairs = zip(times[name], times[reference], strict=True)
    return median(mine / theirs for mine, theirs in pairs)


def wait(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


CALLS_ON_A_GPU = 10  # per timing: one call between two waits takes longer than its share


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    calls = CALLS_ON_A_GPU if device.type == "cuda" else 1
    wait(device)
    started = time.perf_counter()
    for _ in range(calls):
        action()
    wait(device)
    return (time.perf_counter() - started) / calls
