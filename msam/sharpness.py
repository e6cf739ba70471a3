"""The two context managers of every sharpness-aware step: move the weights, freeze BatchNorm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def perturbed(
    params: Sequence[nn.Parameter], direction: Sequence[Tensor], rho: float | Tensor
) -> Iterator[None]:
    """theta + rho * direction / ||direction|| inside (Eq. 9), theta bit for bit afterwards.

    The norm runs over all tensors of `direction` jointly, with a floor of 1e-12 as in
    davda54/sam@3c3afdb. Weights are copied back rather than the perturbation subtracted, which
    would leave rounding errors, and into the live tensors, so that pointers stay valid. One copy
    of the weights is held. Nothing waits for the host.
    """
    params, direction = list(params), list(direction)
    saved = [p.detach().clone() for p in params]
    with torch.no_grad():
        scale = rho / (global_norm(direction) + 1e-12)
        torch._foreach_add_(params, torch._foreach_mul(direction, scale))
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(params, saved)


def global_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The 2-norm over all tensors jointly, a 0-dimensional tensor."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))


@contextmanager
def frozen_batchnorm(module: nn.Module) -> Iterator[None]:
    """BatchNorm layers use the batch's statistics inside but do not record them.

    A second pass over the same batch must not enter the running statistics twice. Switching
    `track_running_stats` off also stops `num_batches_tracked`, which a momentum of zero does not;
    nested use is safe. Other layers with state, such as InstanceNorm with tracking, are not frozen.
    """
    layers = [child for child in module.modules() if _records_statistics(child)]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def _records_statistics(module: nn.Module) -> bool:
    batchnorm = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return batchnorm and module.training and module.track_running_stats
