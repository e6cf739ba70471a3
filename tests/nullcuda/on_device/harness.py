"""Runs of the harness on the null device, which can be made to stop after some steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.configs.load import load_config
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.stop import Stop
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import make_experiment
from benchmarks.records import status
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.training.context import Reporter, RunContext, RunSettings

STEPS = 4  # of an epoch
BATCH = 16
BeforeStep = Callable[[int, Stop], None]


def nothing(step: int, stop: Stop) -> None:
    """Lets the run go on."""


def stop_before(last: int) -> BeforeStep:
    """Asks the run to stop: step `last`, counted from 0, is the last one."""

    def ask(step: int, stop: Stop) -> None:
        if step == last:
            stop.reason = "the test"

    return ask


@dataclass
class Sweep:
    """Runs in the results folder `root`; `lines` is what they have said."""

    root: Path
    lines: list[str] = field(default_factory=list)

    @property
    def folders(self) -> Folders:
        return Folders(self.root)

    def experiment(self, dataset: str = "avmnist", method: str = "msam", **changes: Any):
        """A run of two short epochs on stand-in data, which is generated where it is missing."""
        workspace.ensure_stand_in([dataset], self.lines.append)
        config = load_config()
        scale = {"epochs": 2, "batch_size": BATCH, "train_samples": STEPS * BATCH}
        draft = make_experiment(
            config,
            config.profiles["demo"],
            dataset=dataset,
            fusion="late",
            method=method,
            changes={**scale, **changes},
        )
        return workspace.with_fingerprint(draft)

    def execute(
        self,
        experiments: Iterable[Experiment],
        device: torch.device,
        before_step: BeforeStep = nothing,
        settings: RunSettings | None = None,
        alone: bool = True,
    ) -> list[RunRecord]:
        """The records of these runs; `before_step` is called with the number of the step."""
        stop = Stop()
        steps = iter(range(10**9))

        def track(batches: Tensor, title: str) -> Iterable[Tensor]:
            for rows in batches:
                before_step(next(steps), stop)
                yield rows

        reporter = Reporter(self.lines.append, track)
        context = RunContext(
            self.folders, device, reporter, settings or RunSettings(capture="auto")
        )
        planned = status.Sweep.planned_now(list(experiments), self.folders)
        return LocalExecutor(context, stop, alone).execute(planned)
