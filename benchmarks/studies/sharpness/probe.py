"""From a run and its kept weights to its curvature and its loss surface, each computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from benchmarks.executors.data import load_planned
from benchmarks.plan.experiment import derive_seed
from benchmarks.records.files import set_aside
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.studies.sharpness.curvature import blocks, measure_block
from benchmarks.studies.sharpness.curvature_file import Curvature, CurvatureSettings, Rows
from benchmarks.studies.sharpness.landscape import fill_surface
from benchmarks.studies.sharpness.loss import SplitLoss
from benchmarks.studies.sharpness.surface_file import Surface, SurfaceSettings
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
        path = self.folders.curvature(run.run_id, settings)
        if known := self._known(Curvature.load, path):
            return known
        loss = self.loss(run, settings)
        parts = self.reporter.track(list(blocks(loss.model).items()), f"{run.run_id} curvature")
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
        """The loss surface; goes on from the points at hand. ValueError as for `curvature`."""
        path = self.folders.surface(run.run_id, settings)
        found = self._known(Surface.load, path) or Surface(run.run_id, settings)
        if found.missing():
            fill_surface(self.loss(run, settings), found, path, self.reporter.track)
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
    """`samples` random rows of `split`, always the same ones; all if there are no more."""
    generator = torch.Generator().manual_seed(derive_seed(0, "sharpness rows"))
    rows = torch.randperm(len(split), generator=generator)[:samples]
    return split.subset(rows.sort().values)
