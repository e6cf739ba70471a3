"""Counts the passes of a batch through the encoders in one step."""

from __future__ import annotations

from dataclasses import dataclass

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
