"""One run and everything that can go wrong in it: whatever happens, there is a record."""

from __future__ import annotations

import math
import time
import traceback
from dataclasses import dataclass

from baselines.registry import method_class
from benchmarks.executors.planned_data import OtherData, load_planned
from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import code_of
from benchmarks.records.files import Unwritable, write_text
from benchmarks.records.leases import LeaseLost
from benchmarks.records.record import RunRecord, Status
from benchmarks.training.checkpoint import previous, saved_seconds
from benchmarks.training.context import RunContext, Stopped
from benchmarks.training.device_errors import DeviceBroken, is_broken, is_out_of_memory
from benchmarks.training.environment import describe_environment
from benchmarks.training.numerics import deterministic
from benchmarks.training.run import run
from datasets.errors import DataError


class NeedsDeviceAlone(Exception):
    """The device's memory was too small for this run beside others."""


@dataclass(frozen=True)
class Attempt:
    """Runs experiments in a context. `alone`: no other run uses the device at the same time."""

    context: RunContext
    alone: bool

    def run(self, experiment: Experiment) -> RunRecord:
        """The record of the run, which is also on disk.

        Raises OtherData, Stopped, LeaseLost, NeedsDeviceAlone, Unwritable if no file can be
        written, and DeviceBroken after recording a run on which the device broke.
        """
        earlier = saved_seconds(self.context.folders.checkpoint(experiment.run_id))
        began = time.perf_counter() - earlier
        try:
            return self._run(experiment)
        except (OtherData, Stopped, LeaseLost, Unwritable):
            raise
        except Exception as error:  # whatever a method raises, the sweep goes on
            if not is_out_of_memory(error):
                record = self._failed(experiment, f"{type(error).__name__}: {error}", began)
                if is_broken(self.context.device):
                    raise DeviceBroken(f"{self.context.device} failed: {error}") from error
                return record
            if self.alone:
                return self._failed(experiment, f"out of memory: {_first_line(error)}", began)
        # Here the error is gone, and with it the frames that held the device's memory.
        raise NeedsDeviceAlone(experiment.run_id)

    def _run(self, experiment: Experiment) -> RunRecord:
        """As `run`, but raises every error; DataError if the data changed during the run."""
        planned = load_planned(experiment)
        modalities = experiment.modalities or planned.dataset.spec.modalities
        method = method_class(experiment.method)
        why = method.unsupported(modalities, experiment.fusion, **experiment.params)
        why = why or method.too_short(experiment.epochs, **experiment.params)
        if why:
            return self.without_result(experiment, "unsupported", why)
        try:
            with deterministic(self.context.settings.deterministic):
                record = run(experiment, planned.dataset, self.context)
        except (LeaseLost, Unwritable):
            raise
        except Exception:  # data that changed may cause any error
            if not planned.changed():
                raise
        if changed := planned.changed():
            self._delete_results(experiment)
            raise DataError(f"{changed[0]} was written into while the run read it; try again")
        return record

    def _failed(self, experiment: Experiment, why: str, began: float) -> RunRecord:
        write_text(self.context.folders.failure(experiment.run_id), traceback.format_exc())
        return self.without_result(experiment, "failed", why, time.perf_counter() - began)

    def _delete_results(self, experiment: Experiment) -> None:
        """Deletes what the run has written, as it may come from other data."""
        folders, run_id = self.context.folders, experiment.run_id
        checkpoint = folders.checkpoint(run_id)
        results = folders.predictions(run_id), folders.logits(run_id), folders.weights(run_id)
        for path in (previous(checkpoint), checkpoint, *results):
            path.unlink(missing_ok=True)

    def without_result(
        self, experiment: Experiment, status: Status, why: str, seconds: float = math.nan
    ) -> RunRecord:
        """Records a run that has no result; `seconds` were spent on it, NaN if unknown."""
        record = RunRecord(
            experiment.run_id,
            experiment,
            status,
            why,
            data={key: experiment.data[key] for key in ("stand_in", "fingerprint")},
            environment=describe_environment(self.context.device),
            timing={"seconds": seconds} if math.isfinite(seconds) else {},
            code=code_of(experiment.method, experiment.dataset),
        )
        record.save(self.context.folders.record(experiment.run_id))
        self.context.reporter.say(f"{experiment.run_id}  {status}: {why}")
        return record


def _first_line(error: BaseException) -> str:
    """The message without the advice on the allocator that follows it."""
    return str(error).partition("\n")[0] or type(error).__name__
