"""Runs experiments one after the other in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from baselines import method_class
from benchmarks.capture import Capture
from benchmarks.check import check
from benchmarks.environment import describe_environment
from benchmarks.experiment import Experiment
from benchmarks.files import write_text
from benchmarks.harness import Reporter, run
from benchmarks.record import RunRecord
from benchmarks.sweep import Folders
from benchmarks.workspace import loader_options, prepared_folder
from datasets import registry
from datasets.spec import Dataset


@dataclass(frozen=True)
class LocalExecutor:
    """Runs on one device, one experiment at a time."""

    folders: Folders
    device: torch.device
    reporter: Reporter
    capture: Capture = "auto"

    def execute(self, experiments: Sequence[Experiment]) -> list[RunRecord]:
        """Runs all of them and returns their records.

        A run that raises is recorded as failed and the others go on. Raises ValueError before
        anything runs, listing every mistake in the experiments; OSError when nothing can be
        written.
        """
        check(experiments)
        records, started = [], time.perf_counter()
        for done, experiment in enumerate(experiments):
            left = _time_left(time.perf_counter() - started, done, len(experiments))
            self.reporter.say(f"run {done + 1}/{len(experiments)}{left}  {experiment.run_id}")
            records.append(self._run(experiment))
        return records

    def _run(self, experiment: Experiment) -> RunRecord:
        dataset = _load(
            experiment.dataset,
            tuple(sorted(loader_options(experiment.data).items())),
            prepared_folder(experiment.dataset, bool(experiment.data["stand_in"])),
        )
        wanted = experiment.data["fingerprint"]
        if dataset.fingerprint != wanted:
            raise ValueError(
                f"{experiment.run_id} was planned on data {wanted}, but what is prepared now is "
                f"{dataset.fingerprint}; start again"
            )
        modalities = experiment.modalities or dataset.spec.modalities
        unsupported = method_class(experiment.method).unsupported
        if why := unsupported(modalities, experiment.fusion, **experiment.params):
            return self._without_result(experiment, dataset, "unsupported", why)
        try:
            place = self.folders, self.device, self.reporter
            return run(experiment, dataset, *place, self.capture)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a method raises, the sweep goes on
            write_text(self.folders.failure(experiment.run_id), traceback.format_exc())
            why = f"{type(error).__name__}: {error}"
            return self._without_result(experiment, dataset, "failed", why)

    def _without_result(
        self, experiment: Experiment, dataset: Dataset, status: str, why: str
    ) -> RunRecord:
        record = RunRecord(
            experiment.run_id,
            experiment,
            status,
            why,
            data={"stand_in": dataset.stand_in, "fingerprint": dataset.fingerprint},
            environment=describe_environment(self.device),
        )
        record.save(self.folders.record(experiment.run_id))
        self.reporter.say(f"{experiment.run_id}  {status}: {why}")
        return record


def _time_left(seconds: float, done: int, count: int) -> str:
    """What the remaining runs take if they take as long as those before."""
    return f" (about {seconds / done * (count - done) / 60:.0f} min left)" if done else ""


@lru_cache(maxsize=1)
def _load(name: str, options: tuple[tuple[str, object], ...], folder: Path) -> Dataset:
    return registry.load(name, folder, dict(options))
