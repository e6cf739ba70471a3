"""A step never waits for the host: coefficients and choices stay tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from msam.msam import MSAM
from tests.baselines.cases import Case, begin_epoch, every_case, with_and_without_segments
from tests.baselines.host_sync import HostSyncError, forbidden_host_sync
from tests.tiny import OPTIM, Batch, tiny_batches, tiny_model

OFFENCES: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.item(),
    "bool": bool,
    "float": float,
    "int": int,
    "if": lambda x: 1 if x > 0 else 0,
    "max": lambda x: max(x, x + 1),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "cpu": lambda x: x.cpu(),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: torch.stack([x, x])[torch.stack([x > 0, x > 1])],
    "where": lambda x: torch.where(x[None] > 0),
    "equal": lambda x: torch.equal(x, x),
    "format": lambda x: f"{x:.2f}",
    "unique": lambda x: x[None].unique(),
}


@pytest.mark.parametrize("name", OFFENCES)
def test_guard_catches(name: str) -> None:
    value = torch.tensor(1.5)
    with pytest.raises(HostSyncError), forbidden_host_sync():
        OFFENCES[name](value)


def test_guard_lets_tensor_arithmetic_pass() -> None:
    x = torch.randn(5, 3, requires_grad=True)
    with forbidden_host_sync():
        chosen = x.argmax(1)
        loss = torch.where(chosen[:, None] > 0, x, -x).gather(1, chosen[:, None]).mean()
        loss.backward()
    assert x.grad is not None


def test_guard_catches_a_method_that_looks_at_its_loss() -> None:
    class Curious(MSAM):
        """Reads the loss in the middle of a step."""

        def batch_contributions(self, inputs, features, logits, labels):
            logits.sum().item()
            return super().batch_contributions(inputs, features, logits, labels)

    [(inputs, labels)] = tiny_batches()
    with pytest.raises(HostSyncError), forbidden_host_sync():
        Curious(tiny_model(), OPTIM).step(inputs, labels)


@with_and_without_segments
def test_step_does_not_wait_for_the_host(case: Case) -> None:
    method, batches = case.build(case.model()), case.batches(2)
    begin_epoch(method, batches)
    for inputs, labels in batches:
        with forbidden_host_sync():
            method.step(inputs, labels)


OPTIONS = [
    {"split": "response"},
    {"split": "unimodal", "residual": "include"},
    {"scope": "dominant"},
    {"scope": "encoders"},
    {"absent": "zero_input", "coalitions": "agm"},
    {"value": "accuracy", "negatives": "raw"},
    {"value": "response_prob", "negatives": "softmax"},
    {"refresh": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_option_of_msam_waits_for_the_host(options: dict[str, str]) -> None:
    method = MSAM(tiny_model(3), OPTIM, **options)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


@contextmanager
def _cuda_errors_on_sync() -> Iterator[None]:
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def _on_cuda(batches: list[Batch]) -> list[Batch]:
    return [({m: x.cuda() for m, x in inputs.items()}, y.cuda()) for inputs, y in batches]


@pytest.mark.gpu
@every_case
def test_step_does_not_wait_for_the_host_on_a_gpu(case: Case) -> None:
    method = case.build(case.model(torch.float32).cuda())
    warm_up, *batches = _on_cuda(case.batches(3, torch.float32))
    begin_epoch(method, [warm_up])
    method.step(*warm_up)
    with _cuda_errors_on_sync():
        for inputs, labels in batches:
            method.step(inputs, labels)


@pytest.mark.gpu
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_option_of_msam_waits_for_the_host_on_a_gpu(options: dict[str, str]) -> None:
    method = MSAM(tiny_model(3, dtype=torch.float32).cuda(), OPTIM, **options)
    warm_up, *batches = _on_cuda(tiny_batches(3, 3, torch.float32))
    method.step(*warm_up)
    with _cuda_errors_on_sync():
        for inputs, labels in batches:
            method.step(inputs, labels)
