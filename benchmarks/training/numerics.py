"""The arithmetic of a run: precision, CPU threads, deterministic operations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from msam.model import MultimodalModel


@contextmanager
def computing_in(model: MultimodalModel, precision: str) -> Iterator[None]:
    """Inside, the model's matrix products and convolutions use `precision`.

    `fp32`: exact float32; torch would let convolutions on a GPU round to TF32. `tf32`: both may
    round their inputs to 10 bits on a GPU; on a CPU the same as fp32. `bf16`: the encoders' forward
    and backward passes run under autocast and give float32 features; weights, fusion, losses,
    gradients, their norms and the optimiser stay float32. Evaluation always computes in fp32.
    """
    lowered = list(model.encoders.values()) if precision == "bf16" else []
    for encoder in dict.fromkeys(lowered):
        encoder.forward = _autocast(encoder)
    try:
        with rounding_to_tf32(precision == "tf32"):
            yield
    finally:
        for encoder in dict.fromkeys(lowered):
            del encoder.forward  # uncovers the method of the class


@contextmanager
def rounding_to_tf32(allowed: bool) -> Iterator[None]:
    """Inside, matrix products and convolutions on a GPU may round their inputs to TF32, or not."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = allowed  # type: ignore[union-attr]
    try:
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):  # type: ignore[assignment]
            flag.allow_tf32 = value  # type: ignore[union-attr]


def _autocast(encoder: nn.Module) -> Callable[[Tensor], Tensor]:
    plain = encoder.forward

    def forward(inputs: Tensor) -> Tensor:
        # Without the cache of cast weights: a perturbed step would read the unperturbed ones.
        with torch.autocast(inputs.device.type, torch.bfloat16, cache_enabled=False):
            return plain(inputs).float()

    return forward


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Inside, torch computes with `count` CPU threads; how many changes the last digits of sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Inside, if `wanted`, torch raises RuntimeError for an operation that is not deterministic."""
    if not wanted:
        yield
        return
    # torch reads it once, at its first matrix product on a GPU, and refuses products if it is
    # neither this nor `:16:8`.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic = before[1]
