"""Stops a method after some epochs and goes on from its checkpoint."""

from __future__ import annotations

import io
from collections.abc import Callable

import torch

from msam.method import Method
from tests.baselines.cases import train_epochs
from tests.tiny import Batch, changed, snapshot


def differences_after_resuming(
    build: Callable[[], Method], batches: list[Batch], stop: int, last: int
) -> set[str]:
    """The weights and buffers in which a run resumed after `stop` epochs differs after `last`."""
    method = build()
    train_epochs(method, batches, 0, stop)
    file = io.BytesIO()
    torch.save({"model": method.model.state_dict(), "method": method.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    resumed = build()
    resumed.model.load_state_dict(state["model"])
    resumed.load_state_dict(state["method"])
    for run in (method, resumed):
        run.generator.manual_seed(stop)
        train_epochs(run, batches, stop, last)
    assert resumed.finished == method.finished
    return changed(snapshot(method.model), snapshot(resumed.model))
