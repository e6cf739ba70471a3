"""Counts the passes of a batch through the encoders in one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from benchmarks.bench.subjects import Batch
from msam.method import Method


@dataclass(frozen=True)
class Passes:
    """Mean over the modalities; a pass of one sample of B counts 1/B."""

    forward: float
    backward: float


def count_passes(method: Method, batch: Batch) -> Passes:
    """Takes one step and counts."""
    inputs, labels = batch
    seen = {"forward": 0.0, "backward": 0.0}

    def count(direction: str, samples: int) -> None:
        seen[direction] += samples / len(labels) / len(inputs)

    def on_forward(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        samples = len(output)
        count("forward", samples)
        if output.requires_grad:
            output.register_hook(lambda gradient: count("backward", samples))

    hooks = [e.register_forward_hook(on_forward) for e in method.model.encoders.values()]
    method.step(inputs, labels)
    for hook in hooks:
        hook.remove()
    return Passes(**seen)


PHASES = 2  # per modality: Recon-Boost's, an epoch each in the tables


@dataclass(frozen=True)
class Work:
    """`act` takes a step in each of `epochs` epochs; `passes` is their mean."""

    act: Callable[[], object]
    epochs: int
    passes: Passes


def work_of(method: Method, batch: Batch) -> Work:
    """One step where all epochs are alike; else one in each until every modality had its turn."""
    passes = count_passes(method, batch)
    epochs = PHASES * len(method.model.modalities)
    phases = set()
    for _ in range(epochs):
        phases.add(method.phase)
        _end_epoch(method)
    if len(phases) == 1:
        return Work(partial(method.step, *batch), 1, passes)
    counted = []
    for _ in range(epochs):
        counted.append(count_passes(method, batch))
        _end_epoch(method)
    mean = Passes(
        sum(p.forward for p in counted) / epochs, sum(p.backward for p in counted) / epochs
    )
    return Work(partial(_take_turns, method, batch, epochs), epochs, mean)


def _take_turns(method: Method, batch: Batch, epochs: int) -> None:
    for _ in range(epochs):
        method.step(*batch)
        _end_epoch(method)


def _end_epoch(method: Method) -> None:
    """With metrics that never change, so that no method stops or adapts."""
    outputs = ("mm", *method.model.modalities)
    method.end_epoch({f"{metric}_{o}": 0.5 for metric in ("acc", "loss") for o in outputs})
