"""How much faster an M-SAM step is than the naive one, loading of the batch included."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import torch

from benchmarks.bench.naive_step import DecodedSamples, naive_batches, naive_step
from benchmarks.bench.subjects import AVMNIST, Subject
from benchmarks.bench.timing import Row, Setting, interleaved, ratio
from datasets.spec import SplitTensors
from datasets.tensors import Indexed

THREE = {**AVMNIST, "text": (1, 28, 28)}
SUBJECTS = [Subject("avmnist", shapes, 10, "resnet18") for shapes in (AVMNIST, THREE)]


def naive(setting: Setting) -> list[Row]:
    """AV-MNIST shapes with two modalities, and with a third one of the image's shape."""
    return [compare(subject, setting) for subject in SUBJECTS]


def compare(subject: Subject, setting: Setting) -> Row:
    """Both ways on the same samples, two batches in turn."""
    samples = stored_samples(subject)
    actions = {
        "naive": naive_way(subject, samples, setting.device),
        "ours": our_way(subject, samples, setting.device),
    }
    times = interleaved(actions, setting)
    return {"modalities": len(subject.shapes), "naive over ours": ratio(times, "naive", "ours")}


def stored_samples(subject: Subject) -> DecodedSamples:
    """Two batches of uint8 samples."""
    rng = torch.Generator().manual_seed(0)
    count = 2 * subject.batch
    values = {
        m: torch.randint(256, (count, *shape), generator=rng, dtype=torch.uint8).numpy()
        for m, shape in subject.shapes.items()
    }
    return DecodedSamples(values, torch.randint(subject.classes, (count,), generator=rng).tolist())


def naive_way(
    subject: Subject, samples: DecodedSamples, device: torch.device
) -> Callable[[], None]:
    """A step of the naive kind, with its batch."""
    method = subject.method("msam", "late", device)
    method.model.train()
    batches = (b for _ in cycle([0]) for b in naive_batches(samples, subject.batch, device))
    return lambda: naive_step(method, method.rho, *next(batches))


def our_way(subject: Subject, samples: DecodedSamples, device: torch.device) -> Callable[[], None]:
    """A step of ours, its batch gathered on the device."""
    method = subject.method("msam", "late", device)
    method.model.train()
    rows = torch.arange(len(samples))
    sources = {m: Indexed(torch.from_numpy(x), rows) for m, x in samples.values.items()}
    split = SplitTensors(sources, torch.tensor(samples.labels)).to(device)
    batches = cycle(rows.to(device).split(subject.batch))

    def step() -> None:
        method.step(*split.batch(next(batches)))

    return step
