"""One run and everything that can go wrong in it: whatever happens, there is a record."""

from __future__ import annotations

import math
import time
import traceback
from dataclasses import dataclass

import torch

from baselines.registry import method_class
from benchmarks.executors.data import OtherData, load_planned
from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import code_of
from benchmarks.records.files import Unwritable, write_text
from benchmarks.records.folders import Folders
from benchmarks.records.leases import ClaimLost
from benchmarks.records.record import RunRecord
from benchmarks.training.checkpoint import previous, saved_seconds
from benchmarks.training.environment import describe_environment
from benchmarks.training.execution import DEFAULT, Execution, Reporter, Stopped
from benchmarks.training.numerics import deterministic
from benchmarks.training.run import run
from datasets.errors import DataError

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

        Raises OtherData, Stopped, ClaimLost, Crowded, and Unwritable if nothing can be recorded.
        """
        earlier = saved_seconds(self.folders.checkpoint(experiment.run_id))
        began = time.perf_counter() - earlier
        try:
            return self._run(experiment)
        except (OtherData, Stopped, ClaimLost, Unwritable):
            raise
        except OUT_OF_MEMORY as error:
            if self.alone:
                return self._failed(experiment, f"out of memory: {_first_line(error)}", began)
        except Exception as error:  # noqa: BLE001  whatever a method raises, the sweep goes on
            return self._failed(experiment, f"{type(error).__name__}: {error}", began)
        raise Crowded(experiment.run_id)

    def _run(self, experiment: Experiment) -> RunRecord:
        """As `run`, with every error raised; DataError if the data changed under the run."""
        planned = load_planned(experiment)
        modalities = experiment.modalities or planned.dataset.spec.modalities
        unsupported = method_class(experiment.method).unsupported
        if why := unsupported(modalities, experiment.fusion, **experiment.params):
            return self.without_result(experiment, "unsupported", why)
        place = self.folders, self.device, self.reporter
        try:
            with deterministic(self.execution.deterministic):
                record = run(experiment, planned.dataset, *place, self.execution)
        except (ClaimLost, Unwritable):
            raise
        except Exception:  # anything may come of other data
            if not planned.changed():
                raise
        if changed := planned.changed():
            self._forget(experiment)
            raise DataError(f"{changed[0]} was written into while the run read it; try again")
        return record

    def _failed(self, experiment: Experiment, why: str, began: float) -> RunRecord:
        write_text(self.folders.failure(experiment.run_id), traceback.format_exc())
        return self.without_result(experiment, "failed", why, time.perf_counter() - began)

    def _forget(self, experiment: Experiment) -> None:
        """Removes what a run left that may have seen other data."""
        checkpoint, run_id = self.folders.checkpoint(experiment.run_id), experiment.run_id
        results = self.folders.predictions(run_id), self.folders.weights(run_id)
        for path in (previous(checkpoint), checkpoint, *results):
            path.unlink(missing_ok=True)

    def without_result(
        self, experiment: Experiment, status: str, why: str, seconds: float = math.nan
    ) -> RunRecord:
        """Records a run that has no result; `seconds` were spent on it, NaN if nobody knows."""
        record = RunRecord(
            experiment.run_id,
            experiment,
            status,
            why,
            data={key: experiment.data[key] for key in ("stand_in", "fingerprint")},
            environment=describe_environment(self.device),
            timing={"seconds": seconds} if math.isfinite(seconds) else {},
            code=code_of(experiment.method, experiment.dataset),
        )
        record.save(self.folders.record(experiment.run_id))
        self.reporter.say(f"{experiment.run_id}  {status}: {why}")
        return record


def _first_line(error: BaseException) -> str:
    """What the error says, without advice on the allocator."""
    return str(error).partition("\n")[0] or type(error).__name__
