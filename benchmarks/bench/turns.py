"""What a step costs on the average of a method's epochs, where these differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.bench.passes import Passes, count_passes
from benchmarks.bench.subjects import Batch
from msam.method import Method

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
