"""Tiny models, batches and helpers shared by the tests: a step takes milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from msam.method import Method
from msam.model import EarlyFusion, Features, Inputs, LateFusion, MultimodalModel
from msam.msam import MSAM
from msam.optim import OptimConfig

MODALITIES = ("audio", "visual", "text")
SHAPES = {"audio": (1, 6, 5), "visual": (1, 7, 7), "text": (7,)}
WIDTHS = {"audio": 4, "visual": 5, "text": 6}
CLASSES = 3
OPTIM = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-2, decay_epochs=2, decay_factor=0.1)
STILL = OptimConfig(lr=0.0, momentum=0.9, weight_decay=0.0)

Batch = tuple[Inputs, Tensor]


def tiny_model(
    count: int = 2,
    fusion: str = "late",
    dropout: float = 0.0,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    widths: Mapping[str, int] = WIDTHS,
) -> MultimodalModel:
    """`count` encoders (two convolutional with BatchNorm, one linear) under `fusion`."""
    names = MODALITIES[:count]
    widths = {m: widths[m] for m in names}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoders = {m: _encoder(m, width) for m, width in widths.items()}
        head = (
            LateFusion(widths, CLASSES)
            if fusion == "late"
            else EarlyFusion(widths, CLASSES, hidden=(6, 5), dropout=dropout)
        )
        return MultimodalModel(encoders, head).to(dtype)


def _encoder(modality: str, width: int) -> nn.Module:
    if modality == "text":
        return nn.Sequential(nn.Linear(*SHAPES["text"], width), nn.LayerNorm(width), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(1, width, 3, stride=2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def tiny_batches(
    number: int = 1, count: int = 2, dtype: torch.dtype = torch.float64, seed: int = 1
) -> list[Batch]:
    """`number` random batches of eight samples."""
    rng = torch.Generator().manual_seed(seed)

    def draw(modality: str) -> Tensor:
        return torch.randn(8, *SHAPES[modality], generator=rng, dtype=torch.float64).to(dtype)

    return [
        ({m: draw(m) for m in MODALITIES[:count]}, torch.randint(CLASSES, (8,), generator=rng))
        for _ in range(number)
    ]


def val_metrics(modalities: Sequence[str], epoch: int) -> dict[str, float]:
    """Validation metrics in which the first modality gets worse and the others get better."""
    metrics = {"acc_mm": 0.5 + 0.02 * epoch, "loss_mm": 1.0 - 0.02 * epoch}
    for rank, m in enumerate(modalities):
        trend = -0.03 if rank == 0 else 0.02
        metrics[f"acc_{m}"] = 0.4 + trend * epoch
        metrics[f"loss_{m}"] = 1.1 - trend * epoch
    return metrics


class ConcatFusion(nn.Module):
    """One linear layer on the concatenated features: a fusion module from outside the package."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, classes)

    def forward(self, features: Features) -> Tensor:
        return self.head(torch.cat(list(features.values()), dim=1))


class FixedMSAM(MSAM):
    """M-SAM whose contributions are given in `shares` instead of measured."""

    shares: Mapping[str, float]

    def batch_contributions(
        self, inputs: Inputs, features: Features, logits: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        return {m: logits.new_tensor(share) for m, share in self.shares.items()}


def fixed_msam(
    model: MultimodalModel, optim: OptimConfig, shares: Mapping[str, float], **params: Any
) -> FixedMSAM:
    """A `FixedMSAM` with these contributions."""
    method = FixedMSAM(model, optim, **params)
    method.shares = dict(shares)
    return method


def train(method: Method, batches: Sequence[Batch]) -> None:
    """One step per batch."""
    for inputs, labels in batches:
        method.step(inputs, labels)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight and buffer."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of every parameter, under each name of one that several modules share."""
    named = module.named_parameters(remove_duplicate=False)
    return {name: value.detach().clone() for name, value in named}


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """The names whose values are not equal bit for bit."""
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def deviation(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """The largest absolute difference of any entry."""
    assert left.keys() == right.keys()
    return max((left[name] - right[name]).abs().max().item() for name in left)


@contextmanager
def watched_passes(model: MultimodalModel) -> Iterator[list[dict[str, Tensor]]]:
    """Lists the weights of the model at every training-mode pass through its encoders."""
    passes: list[dict[str, Tensor]] = []

    def note(encoder: nn.Module, _: object) -> None:
        if encoder.training:
            passes.append(weights(model))

    handle = model.encoders[model.modalities[0]].register_forward_pre_hook(note)
    try:
        yield passes
    finally:
        handle.remove()
