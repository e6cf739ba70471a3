"""How much faster an M-SAM step is than the naive one, loading of the batch included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, cycle
from math import factorial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.bench.timing import AVMNIST, Row, Setting, Workload, interleaved, ratio
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Indexed
from msam.method import Method
from msam.sharpness import frozen_batchnorm

THREE = {**AVMNIST, "text": (1, 28, 28)}
WORKLOADS = [Workload("avmnist", shapes, 10, "resnet18") for shapes in (AVMNIST, THREE)]


def naive(setting: Setting) -> list[Row]:
    """AV-MNIST shapes with two modalities, and with a third one of the image's shape."""
    return [compare(workload, setting) for workload in WORKLOADS]


def compare(workload: Workload, setting: Setting) -> Row:
    """Both ways on the same samples, two alternating batches."""
    samples = stored_samples(workload)
    actions = {
        "naive": naive_way(workload, samples, setting.device),
        "ours": our_way(workload, samples, setting.device),
    }
    times = interleaved(actions, setting)
    return {"modalities": len(workload.shapes), "naive over ours": ratio(times, "naive", "ours")}


def stored_samples(workload: Workload) -> DecodedSamples:
    """Two batches of uint8 samples."""
    rng = torch.Generator().manual_seed(0)
    count = 2 * workload.batch
    values = {
        m: torch.randint(256, (count, *shape), generator=rng, dtype=torch.uint8).numpy()
        for m, shape in workload.shapes.items()
    }
    return DecodedSamples(values, torch.randint(workload.classes, (count,), generator=rng).tolist())


def naive_way(
    workload: Workload, samples: DecodedSamples, device: torch.device
) -> Callable[[], None]:
    """A step of the naive kind, with its batch."""
    method = workload.method("msam", "late", device)
    method.model.train()
    batches = (b for _ in cycle([0]) for b in naive_batches(samples, workload.batch, device))
    return lambda: naive_step(method, method.rho, *next(batches))  # type: ignore[attr-defined]


def our_way(
    workload: Workload, samples: DecodedSamples, device: torch.device
) -> Callable[[], None]:
    """A step of ours, its batch gathered on the device."""
    method = workload.method("msam", "late", device)
    method.model.train()
    rows = torch.arange(len(samples))
    sources = {m: Indexed(torch.from_numpy(x), rows) for m, x in samples.values.items()}
    split = SplitTensors(sources, torch.tensor(samples.labels)).to(device)
    batches = cycle(rows.to(device).split(workload.batch))

    def step() -> None:
        method.step(*split.batch(next(batches)))

    return step


Sample = tuple[dict[str, Tensor], int]


class DecodedSamples(Dataset):
    """Decodes one sample at a time: uint8 (N, *shape) arrays -> float32 in [0, 1]."""

    def __init__(self, values: dict[str, np.ndarray], labels: list[int]) -> None:
        self.values, self.labels = values, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Sample:
        decoded = {m: x[row].astype(np.float32) / 255 for m, x in self.values.items()}
        return {m: torch.from_numpy(x) for m, x in decoded.items()}, self.labels[row]


def naive_batches(
    samples: DecodedSamples, batch: int, device: torch.device
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Batches in order, collated on the host and copied to the device."""
    for inputs, labels in DataLoader(samples, batch_size=batch):
        yield {m: x.to(device) for m, x in inputs.items()}, labels.to(device)


def naive_step(method: Method, rho: float, inputs: dict[str, Tensor], labels: Tensor) -> None:
    """One step of M-SAM with the scalar split on the method's model and optimiser."""
    model, optimizer = method.model, method.optimizer
    optimizer.zero_grad()
    loss = F.cross_entropy(model(inputs), labels)
    nu_d = max(_contributions(method, inputs, labels))
    loss.backward()
    params = [p for p in model.parameters() if p.grad is not None]
    clean = [p.grad.clone() for p in params]  # type: ignore[union-attr]
    saved = [p.detach().clone() for p in params]
    length = torch.cat([g.flatten() for g in clean]).norm().item()
    with torch.no_grad():
        for p, g in zip(params, clean, strict=True):
            p.add_(rho / (length + 1e-12) * g)
    optimizer.zero_grad()
    with frozen_batchnorm(model):
        F.cross_entropy(model(inputs), labels).backward()
    with torch.no_grad():
        for p, g, value in zip(params, clean, saved, strict=True):
            p.copy_(value)
            p.grad = nu_d * p.grad + (1 - nu_d) * g  # type: ignore[operator]
    optimizer.step()


def _contributions(method: Method, inputs: dict[str, Tensor], labels: Tensor) -> list[float]:
    """nu_m of the batch, sample by sample."""
    names = list(inputs)
    values = {
        frozenset(c): _true_class(method, inputs, labels, set(c))
        for size in range(1, len(names) + 1)
        for c in combinations(names, size)
    }
    values[frozenset()] = [0.0] * len(labels)
    scores = [max(_score(values, m, names, len(labels)), 0.0) for m in names]
    total = sum(scores)
    return [s / total if total > 1e-8 else 1 / len(names) for s in scores]


def _score(
    values: dict[frozenset[str], list[float]], m: str, names: list[str], count: int
) -> float:
    """The mean over the samples of a modality's Shapley value."""
    others = [n for n in names if n != m]
    total = 0.0
    for row in range(count):
        for size in range(len(names)):
            weight = factorial(size) * factorial(len(names) - size - 1) / factorial(len(names))
            for c in combinations(others, size):
                gain = values[frozenset({*c, m})][row] - values[frozenset(c)][row]
                total += weight * gain
    return total / count


@torch.no_grad()
def _true_class(
    method: Method, inputs: dict[str, Tensor], labels: Tensor, present: set[str]
) -> list[float]:
    """Each sample's probability of its class from a full pass with the others at zero."""
    model = method.model
    with frozen_batchnorm(model):
        features = model.encode(inputs)
    kept = {m: x if m in present else torch.zeros_like(x) for m, x in features.items()}
    training = model.fusion.training
    model.fusion.eval()
    logits = model.fusion(kept)
    model.fusion.train(training)
    return [logits[i].softmax(0)[int(y)].item() for i, y in enumerate(labels)]
