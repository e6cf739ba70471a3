"""Typical mistakes of CUDA code, planted into a method, are caught."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.joint_train import JointTrain
from benchmarks.training.capture import CapturedStep, record_cuda_graph
from tests.nullcuda.on_device.training import CUDA, cuda_batches, no_waiting
from tests.tiny import OPTIM, tiny_model

Mistake = Callable[[Tensor, Tensor], object]

# Each gets the sound of a batch (B, ...) and the labels (B,).
MISTAKES: dict[str, Mistake] = {
    "a CPU tensor in the loss": lambda x, y: x.mean() * torch.ones(2).sum(0, keepdim=True),
    "an index on the CPU": lambda x, y: x.index_select(0, torch.arange(2)),
    "numbers to the device in every step": lambda x, y: torch.tensor([1.0, 2.0], device=y.device),
    "new_tensor in every step": lambda x, y: x.new_tensor(0.5),
    "item": lambda x, y: x.mean().item(),
    "a mask picks rows": lambda x, y: x[y > 0],
    "a CPU generator": lambda x, y: x.new_empty(3).normal_(generator=torch.Generator()),
    "randperm on the host": lambda x, y: torch.randperm(4).to(y.device),
    "one_hot without a number of classes": lambda x, y: F.one_hot(y),
    "bincount": lambda x, y: torch.bincount(y),
    "repeat_interleave": lambda x, y: x.repeat_interleave(y, 0),
    "an index from a list": lambda x, y: x[[0, 1]],
}


class Mistaken(JointTrain):
    """Joint-Train with a mistake in its step, once there is one."""

    mistake: Mistake | None = None

    def step(self, inputs, labels):
        if self.mistake:
            self.mistake(inputs["audio"], labels)
        return super().step(inputs, labels)


def two_steps(mistake: Mistake, captured: bool) -> None:
    method = Mistaken(tiny_model(dtype=torch.float32).to(CUDA), OPTIM)
    first, second = cuda_batches(2, 2)
    step = CapturedStep(method, record_cuda_graph) if captured else method.step
    step(*first)  # no guard watches the first one
    method.mistake = mistake
    with nullcontext() if captured else no_waiting():
        step(*second)


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_caught(name: str, captured: bool) -> None:
    with pytest.raises((RuntimeError, IndexError)):
        two_steps(MISTAKES[name], captured)


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
def test_no_mistake_passes(captured: bool) -> None:
    two_steps(lambda x, y: x.index_select(0, y).mean(), captured)
