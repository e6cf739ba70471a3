"""Runs experiments one after the other in this process."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from baselines import method_class
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

    def execute(self, experiments: Sequence[Experiment]) -> list[RunRecord]:
        """Runs all of them and returns their records.

        A run that raises is recorded as failed and the others go on. Raises ValueError before
        anything runs, listing every mistake in the experiments; OSError when nothing can be
        written.
        """
        check(experiments)
        records = []
        for number, experiment in enumerate(experiments, start=1):
            self.reporter.say(f"run {number}/{len(experiments)}  {experiment.run_id}")
            records.append(self._run(experiment))
        return records

    def _run(self, experiment: Experiment) -> RunRecord:
        dataset = _load(
            experiment.dataset,
            bool(experiment.data["stand_in"]),
            tuple(sorted(loader_options(experiment.data).items())),
        )
        modalities = experiment.modalities or dataset.spec.modalities
        unsupported = method_class(experiment.method).unsupported_with
        if why := unsupported(modalities, experiment.fusion, experiment.params):
            return self._without_result(experiment, dataset, "unsupported", why)
        try:
            return run(experiment, dataset, self.folders, self.device, self.reporter)
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


@lru_cache(maxsize=1)
def _load(name: str, stand_in: bool, options: tuple[tuple[str, object], ...]) -> Dataset:
    return registry.load(name, prepared_folder(name, stand_in), dict(options))
