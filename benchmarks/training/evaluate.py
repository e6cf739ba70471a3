"""Evaluation: fused and per-modality accuracy, loss and predictions of a whole split."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Source
from msam.model import Features, MultimodalModel, evaluating

CHUNK = 500  # samples per forward pass on a CPU, and of the fusion
# On a GPU a pass takes inputs of 64 MiB at most; ResNet-18 needs about 50 times as much for them.
# This goes by the samples and not by the free memory, which must not change the last digits.
MOST_BYTES, MOST_SAMPLES = 2**26, 4096
LOWEST = torch.finfo(torch.float16).min


@dataclass(frozen=True)
class Evaluation:
    """`metrics`: `acc_*` and `loss_*` of the fused output (`mm`) and of each modality alone.

    `predictions`: the predicted class of every sample or segment, {output: (N,) int16}.
    `logits`: {output: (N, C) float16}, each row less its maximum, which changes no probability.
    The output of a single modality is the fused one and is not repeated there.
    """

    metrics: dict[str, float]
    predictions: dict[str, Tensor]
    logits: dict[str, Tensor]


@torch.inference_mode()
def evaluate(model: MultimodalModel, split: SplitTensors) -> Evaluation:
    """Evaluates `model` on `split`, in evaluation mode; modes and random state stay as they are.

    The output of one modality is its own head in late fusion; in early fusion it is the joint
    network with the features of the other modalities at zero. Each distinct sample is encoded once.
    """
    with evaluating(model):
        features = {m: _encode(model, m, split.inputs[m]) for m in model.modalities}
        labels = split.flat_labels
        one_input = {m: split.inputs[m].gather(labels.new_zeros(1)) for m in features}
        rows = CHUNK * len(labels) // len(split)  # whole samples, whose segments stay together
        absent = model.absent_features(one_input, features, "zero_feature")
        chunks = [
            _outputs(model, {m: phi[start : start + rows] for m, phi in features.items()}, absent)
            for start in range(0, len(labels), rows)
        ]
    logits = {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}
    kept = logits if len(features) > 1 else {"mm": logits["mm"]}
    return Evaluation(_metrics(logits, labels), _predictions(logits), _half(kept))


def _encode(model: MultimodalModel, modality: str, source: Source) -> Tensor:
    """Features (N, D_m), or (N * T, D_m), from one pass over the distinct samples."""
    rows, position = source.distinct_index.unique(return_inverse=True)
    encoder = model.encoders[modality]
    size = samples_per_pass(source.shape, rows.device)
    encoded = [encoder(source.gather_distinct(chunk)) for chunk in rows.split(size)]
    by_sample = torch.cat(encoded).unflatten(0, (len(rows), -1))  # (K, T, D_m)
    return by_sample.index_select(0, position).flatten(0, 1)


def samples_per_pass(shape: tuple[int, ...], device: torch.device) -> int:
    """How many samples of this shape, as float32, one pass through an encoder takes."""
    if device.type == "cpu":
        return CHUNK
    return max(1, min(MOST_SAMPLES, MOST_BYTES // (4 * prod(shape))))


def _outputs(model: MultimodalModel, features: Features, absent: Features) -> dict[str, Tensor]:
    return {"mm": model.fusion(features), **model.modality_logits(features, absent)}


def _metrics(logits: dict[str, Tensor], labels: Tensor) -> dict[str, float]:
    values = {}
    for name, z in logits.items():
        values[f"acc_{name}"] = (z.argmax(1) == labels).double().mean()
        values[f"loss_{name}"] = F.cross_entropy(z.double(), labels)
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))


def _predictions(logits: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: z.argmax(1).to(torch.int16).cpu() for name, z in logits.items()}


def _half(logits: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16 has most digits near 0, so rows are shifted there. No entry becomes infinite."""
    shifted = {name: z - z.amax(1, keepdim=True) for name, z in logits.items()}
    return {name: z.clamp(min=LOWEST).half().cpu() for name, z in shifted.items()}
