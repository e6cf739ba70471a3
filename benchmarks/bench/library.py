"""What M-SAM costs in your own training loop: `sharpened` and `modality_shares` against SAM."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.bench.timing import PAPER, Batch, Row, Setting, Workload, interleaved, ratio
from msam.model import Features, Inputs, MultimodalModel, evaluating, present_only
from msam.shapley import Coalition, modality_shares
from msam.sharpness import sharpened

Share = Callable[[MultimodalModel, Inputs, Features, Tensor], float | Tensor]


def library(setting: Setting) -> list[Row]:
    """Your own training loop, late and early fusion: time of a step relative to SAM's."""
    return [_row(PAPER, fusion, setting) for fusion in ("late", "early")]


def _row(workload: Workload, fusion: str, setting: Setting) -> Row:
    ways: dict[str, Share] = {
        "sam": _sam,
        "features": _from_features,
        "forward": _from_forward_passes,
    }
    batch = workload.random_batch(setting.device)
    actions = {
        name: _step(workload, fusion, share, batch, setting.device) for name, share in ways.items()
    }
    times = interleaved(actions, setting)
    return {
        "encoder": workload.encoder,
        "fusion": fusion,
        "features reused, to SAM": ratio(times, "features", "sam"),
        "a forward pass per coalition, to SAM": ratio(times, "forward", "sam"),
    }


def _step(
    workload: Workload, fusion: str, share: Share, batch: Batch, device: torch.device
) -> Callable[[], None]:
    """A step of AdamW around a fresh network."""
    model = workload.method("joint_train", fusion, device).model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    inputs, labels = batch

    def step() -> None:
        features = model.encode(inputs)
        F.cross_entropy(model.fusion(features), labels).backward()
        with sharpened(model, rho=0.05, share=share(model, inputs, features, labels)):
            F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _sam(model: MultimodalModel, inputs: Inputs, features: Features, labels: Tensor) -> float:
    return 1.0


def _from_features(
    model: MultimodalModel, inputs: Inputs, features: Features, labels: Tensor
) -> Tensor:
    """nu_d with the features of the first pass, absent ones being zero."""
    zeros = {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}

    def score(present: Coalition) -> Tensor:
        with evaluating(model.fusion):
            return _right(model.fusion(present_only(features, zeros, set(present))), labels)

    return _largest(modality_shares(score, model.modalities))


def _from_forward_passes(
    model: MultimodalModel, inputs: Inputs, features: Features, labels: Tensor
) -> Tensor:
    """nu_d with the whole network for each coalition, absent inputs being zero."""

    def score(present: Coalition) -> Tensor:
        shown = {m: x if m in present else torch.zeros_like(x) for m, x in inputs.items()}
        with evaluating(model):
            return _right(model(shown), labels)

    return _largest(modality_shares(score, model.modalities))


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.softmax(-1).gather(-1, labels[:, None]).mean()


def _largest(nu: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(nu.values())).amax()
