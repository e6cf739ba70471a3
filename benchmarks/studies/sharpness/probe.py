"""Measures finished runs whose weights were kept: curvature and loss surface, each once.

The loss surface (Fig. 1) lies around the trained weights, in two random directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from benchmarks.executors.planned_data import load_planned
from benchmarks.plan.experiment import derive_seed
from benchmarks.records.files import set_aside
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.studies.sharpness.curvature import SplitLoss, blocks, measure_block
from benchmarks.studies.sharpness.sharpness_files import (
    Curvature,
    CurvatureSettings,
    Rows,
    Surface,
    SurfaceSettings,
    curvature_path,
    surface_path,
)
from benchmarks.training.checkpoint import load_weights
from benchmarks.training.context import Reporter
from benchmarks.training.environment import describe_environment
from benchmarks.training.run import training_part
from benchmarks.training.state import Training
from datasets.tensors.dataset import SplitTensors

Result = TypeVar("Result", Curvature, Surface)


@dataclass(frozen=True)
class Prober:
    """Measures runs that are done and whose weights lie in `folders`; skips what is measured."""

    folders: Folders
    device: torch.device
    reporter: Reporter

    def curvature(self, run: RunRecord, settings: CurvatureSettings) -> Curvature:
        """The curvature of every block. ValueError if the weights are damaged."""
        path = curvature_path(self.folders, run.run_id, settings)
        if known := self._known(Curvature.load, path):
            return known
        loss = self.loss(run, settings)
        parts = self.reporter.track(list(blocks(loss.model).items()), f"{run.run_id} curvature")  # type: ignore[arg-type]
        value, accuracy = loss.value()
        found = Curvature(
            run_id=run.run_id,
            settings=settings,
            rows=len(loss.split),
            loss=value,
            accuracy=accuracy,
            blocks={name: measure_block(loss, name, part, settings) for name, part in parts},
            environment=describe_environment(self.device),
        )
        found.save(path)
        return found

    def surface(self, run: RunRecord, settings: SurfaceSettings) -> Surface:
        """The loss surface; goes on from the points in its file. ValueError as for `curvature`."""
        path = surface_path(self.folders, run.run_id, settings)
        found = self._known(Surface.load, path) or Surface(run.run_id, settings)
        if found.missing():
            fill_surface(self.loss(run, settings), found, path, self.reporter.track)  # type: ignore[arg-type]
        return found

    def _known(self, load: Callable[[Path], Result], path: Path) -> Result | None:
        """The result in a file, if there is one; a damaged file is set aside and named."""
        try:
            return load(path) if path.exists() else None
        except ValueError as error:
            aside = set_aside(path)
            self.reporter.say(f"{error}; it is now {aside.name}, and this is measured again")
            return None

    def loss(self, run: RunRecord, settings: Rows) -> SplitLoss:
        """The run's loss on the rows of `settings`, at its kept weights."""
        dataset = load_planned(run.experiment).dataset
        model = Training.start(run.experiment, dataset.spec, self.device).method.model
        load_weights(self.folders.weights(run.run_id), model)
        part = dataset.test
        if settings.split == "train":
            part = training_part(dataset.train, run.experiment)
        return SplitLoss(model, fixed_rows(part, settings.samples).to(self.device))


def fixed_rows(split: SplitTensors, samples: int) -> SplitTensors:
    """`samples` random rows of `split`, always the same ones; all rows of a smaller split."""
    generator = torch.Generator().manual_seed(derive_seed(0, "sharpness rows"))
    rows = torch.randperm(len(split), generator=generator)[:samples]
    return split.subset(rows.sort().values)


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
            with torch.no_grad():
                torch._foreach_copy_(params, start)  # type: ignore[arg-type]
                torch._foreach_add_(params, along_x, alpha=x)  # type: ignore[arg-type]
                torch._foreach_add_(params, along_y, alpha=y)  # type: ignore[arg-type]
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


@contextmanager
def restored(params: Sequence[nn.Parameter]) -> Iterator[list[Tensor]]:
    """A copy of the weights; they come back bit for bit afterwards."""
    saved = [p.detach().clone() for p in params]
    try:
        yield saved
    finally:
        with torch.no_grad():
            torch._foreach_copy_(params, saved)  # type: ignore[arg-type]
