"""One run and everything that can go wrong in it: whatever happens, there is a record."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from baselines import method_class
from benchmarks.claim import ClaimLost
from benchmarks.codehash import code_of
from benchmarks.determinism import deterministic
from benchmarks.environment import describe_environment
from benchmarks.epoch import Reporter, Stopped
from benchmarks.execution import DEFAULT, Execution
from benchmarks.experiment import Experiment
from benchmarks.files import Unwritable, write_text
from benchmarks.folders import Folders
from benchmarks.harness import run
from benchmarks.record import RunRecord
from benchmarks.workspace import loader_options, prepared_folder
from datasets import registry
from datasets.spec import Dataset

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


class Crowded(Exception):
    """The device's memory did not suffice for this run beside others."""


@dataclass(frozen=True)
class Attempt:
    """Runs experiments on one device. `alone` says that no other run shares it."""

    folders: Folders
    device: torch.device
    reporter: Reporter
    alone: bool = True
    execution: Execution = DEFAULT

    def run(self, experiment: Experiment) -> RunRecord:
        """The record of the run, which is also on disk.

        Raises ValueError for other data than was planned on, Stopped, ClaimLost, Crowded, and
        Unwritable if nothing can be recorded.
        """
        dataset = load_planned(experiment)
        modalities = experiment.modalities or dataset.spec.modalities
        unsupported = method_class(experiment.method).unsupported
        if why := unsupported(modalities, experiment.fusion, **experiment.params):
            return self.without_result(experiment, "unsupported", why)
        try:
            place = self.folders, self.device, self.reporter
            with deterministic(self.execution.deterministic):
                return run(experiment, dataset, *place, self.execution)
        except (Stopped, ClaimLost, Unwritable):
            raise
        except OUT_OF_MEMORY as error:
            if self.alone:
                return self._failed(experiment, f"out of memory: {_first_line(error)}")
        except Exception as error:  # noqa: BLE001  whatever a method raises, the sweep goes on
            return self._failed(experiment, f"{type(error).__name__}: {error}")
        raise Crowded(experiment.run_id)

    def _failed(self, experiment: Experiment, why: str) -> RunRecord:
        write_text(self.folders.failure(experiment.run_id), traceback.format_exc())
        return self.without_result(experiment, "failed", why)

    def without_result(self, experiment: Experiment, status: str, why: str) -> RunRecord:
        """Records a run that has no result."""
        record = RunRecord(
            experiment.run_id,
            experiment,
            status,
            why,
            data={key: experiment.data[key] for key in ("stand_in", "fingerprint")},
            environment=describe_environment(self.device),
            code=code_of(experiment.method, experiment.dataset),
        )
        record.save(self.folders.record(experiment.run_id))
        self.reporter.say(f"{experiment.run_id}  {status}: {why}")
        return record


def load_planned(experiment: Experiment) -> Dataset:
    """The experiment's dataset; ValueError if it is not the one that was planned on."""
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
    return dataset


def _first_line(error: BaseException) -> str:
    """What the error says, without advice on the allocator."""
    return str(error).partition("\n")[0] or type(error).__name__


@lru_cache(maxsize=1)
def _load(name: str, options: tuple[tuple[str, object], ...], folder: Path) -> Dataset:
    return registry.load(name, folder, dict(options))
