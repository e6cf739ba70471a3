"""Trains a method on the null device, step by step or as a replayed graph, with a resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from baselines.registry import METHODS, build_method
from benchmarks.training.capture import CapturedStep, Step, record_cuda_graph
from msam.method import Method
from tests.baselines.cases import Case, begin_epoch, model_for
from tests.tiny import OPTIM, Batch, tiny_batches, val_metrics

CUDA = torch.device("cuda")
CASES = [
    Case(name, fusion, count)
    for name in sorted(METHODS)
    for fusion in ("late", "early")
    for count in (2, 3)
]
STOP, LAST = 3, 5  # epochs; the learning rate changes after two and after four


def cuda_batches(number: int, count: int) -> list[Batch]:
    """`number` batches of `count` modalities on the device."""
    batches = tiny_batches(number, count, torch.float32)
    return [({m: x.to(CUDA) for m, x in inputs.items()}, y.to(CUDA)) for inputs, y in batches]


def cuda_method(case: Case, params: dict[str, Any]) -> Method:
    options = {"dtype": torch.float32, "dropout": 0.3}
    model = model_for(case.method, case.count, case.fusion, **options).to(CUDA)
    return build_method(case.method, model, OPTIM, **params)


@contextmanager
def no_waiting() -> Iterator[None]:
    """Inside, RuntimeError where the host waits for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def train_eagerly(case: Case, params: dict[str, Any]) -> None:
    """Epochs in which no step but the first of each may wait for the device."""
    method = cuda_method(case, params)
    _epochs(method, method.step, range(STOP))
    resumed = _resumed(method, case, params)
    _epochs(resumed, resumed.step, range(STOP, LAST))


def train_captured(case: Case, params: dict[str, Any]) -> None:
    """The same epochs with every step captured that the harness would capture."""
    method = cuda_method(case, params)
    _epochs(method, CapturedStep(method, record_cuda_graph), range(STOP), guarded=False)
    resumed = _resumed(method, case, params)
    step = CapturedStep(resumed, record_cuda_graph)
    _epochs(resumed, step, range(STOP, LAST), guarded=False)


def _epochs(method: Method, step: Step, epochs: Sequence[int], guarded: bool = True) -> None:
    batches = cuda_batches(3, len(method.model.modalities))
    for epoch in epochs:
        if method.finished:
            return
        method.generator.manual_seed(epoch)
        method.model.train()
        begin_epoch(method, batches)
        for number, (inputs, labels) in enumerate(batches):
            # The first step of a phase may make buffers.
            with no_waiting() if guarded and number else nullcontext():
                metrics = step(inputs, labels)
        for name, value in metrics.items():
            found = value.device.type, value.ndim, value.requires_grad
            assert found == ("cuda", 0, False), f"{name}: (device, axes, needs a gradient) {found}"
        method.end_epoch(val_metrics(method.model.modalities, epoch))


def _resumed(method: Method, case: Case, params: dict[str, Any]) -> Method:
    """The method as it is loaded from a checkpoint, whose tensors lie on the CPU."""
    weights, state = _on_cpu(method.model.state_dict()), _on_cpu(method.state_dict())
    fresh = cuda_method(case, params)
    fresh.model.load_state_dict(weights)
    fresh.load_state_dict(state)
    return fresh


def _on_cpu(state: Any) -> Any:
    return tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, state)
