"""The loss surface around trained weights in two random directions (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.plan.experiment import derive_seed
from benchmarks.studies.sharpness.loss import SplitLoss
from benchmarks.studies.sharpness.surface_file import Surface


def fill_surface(
    loss: SplitLoss, surface: Surface, path: Path, track: Callable[[list, str], Iterable]
) -> None:
    """Evaluates the points that `surface` lacks and saves it to `path` after each.

    BatchNorm keeps the running statistics of the trained weights at every point. The weights come
    back bit for bit, also after an error.
    """
    params = list(loss.model.parameters())
    seed = surface.settings.seed
    along_x, along_y = (random_direction(params, seed, axis) for axis in ("x", "y"))
    with restored(params) as start:
        for x, y in track(surface.missing(), f"{surface.run_id} loss surface"):
            _move(params, start, (x, along_x), (y, along_y))
            surface.points[x, y] = loss.value()
            surface.save(path)


def random_direction(params: Sequence[nn.Parameter], seed: int, axis: str) -> list[Tensor]:
    """A Gaussian direction with the norm of each filter that of the weights' filter.

    Filter normalisation (Li et al. 2018, Sec. 4): a filter is a slice along the first dimension,
    the weights of one output. Biases and BatchNorm's parameters stay where they are. Before the
    normalisation the direction depends on the seed and the shapes alone.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "direction", axis))
    drawn = [torch.randn(p.shape, generator=generator).to(p) for p in params]
    return [_normalised(d, p.detach()) for d, p in zip(drawn, params, strict=True)]


def _normalised(direction: Tensor, weights: Tensor) -> Tensor:
    """`direction` with the norms of the filters of `weights`; zero if there are no filters."""
    if weights.ndim < 2:
        return torch.zeros_like(weights)
    rest = tuple(range(1, weights.ndim))
    norms = [torch.linalg.vector_norm(t, dim=rest, keepdim=True) for t in (weights, direction)]
    return direction * (norms[0] / norms[1])


@torch.no_grad()
def _move(
    params: Sequence[nn.Parameter],
    start: Sequence[Tensor],
    *steps: tuple[float, Sequence[Tensor]],
) -> None:
    torch._foreach_copy_(params, start)
    for distance, direction in steps:
        torch._foreach_add_(params, direction, alpha=distance)


@contextmanager
def restored(params: Sequence[nn.Parameter]) -> Iterator[list[Tensor]]:
    """A copy of the weights; they come back bit for bit afterwards."""
    saved = [p.detach().clone() for p in params]
    try:
        yield saved
    finally:
        with torch.no_grad():
            torch._foreach_copy_(params, saved)
