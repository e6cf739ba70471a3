"""Runs a sweep in this process, one run after the other, beside other processes of the sweep.

`python -m benchmarks.executors.local` is such a process of a `Pool`: it reads its work from stdin.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.executors.attempt import Attempt, NeedsDeviceAlone
from benchmarks.executors.devices import pick_device
from benchmarks.executors.progress import as_line
from benchmarks.executors.stop import EXIT_BROKEN_DEVICE, Stop
from benchmarks.exit_status import Exit
from benchmarks.host import commit
from benchmarks.plan.check import check
from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import code_of
from benchmarks.records.files import remove_temporaries
from benchmarks.records.folders import Folders
from benchmarks.records.leases import Lease, LeaseLost, Leases
from benchmarks.records.record import RunRecord
from benchmarks.records.status import Sweep, file_version
from benchmarks.training.checkpoint import previous
from benchmarks.training.context import Reporter, RunContext, RunSettings, Stopped
from benchmarks.training.device_errors import DeviceBroken
from benchmarks.training.environment import describe_environment
from benchmarks.training.numerics import cpu_threads
from benchmarks.training.run import patience

ATTEMPTS = 3  # a run has failed when so many processes died on it without a new checkpoint
_POLL_SECONDS = 2


@dataclass(frozen=True)
class LocalExecutor:
    """Trains on one device. `alone`: no other run uses the device at the same time."""

    context: RunContext
    stop: Stop
    alone: bool

    def execute(self, sweep: Sweep) -> list[RunRecord]:
        """Trains the runs of the sweep that no other process has done or holds; their records.

        A run that raises is recorded as failed and the others go on. Raises ValueError, listing
        every mistake in the experiments, before anything runs; Unwritable if no file can be
        written; DeviceBroken if only another process can train the runs that are left.
        """
        check(sweep.experiments)
        remove_temporaries(sweep.folders.root)
        for e in sweep.experiments:  # now, as the files may be edited while the sweep runs
            code_of(e.method, e.dataset)
        patience()  # now, as a mistake in it is not one of a run
        describe_environment(self.context.device)  # now, as a device that broke does not answer
        commit()  # now, as the code may be committed or edited while the sweep runs
        leases, records = Leases(sweep.folders.leases), []
        while not self.stop.wanted():
            done = self._one_pass(sweep, leases)
            records += done
            left = sweep.left()
            unknown = any(leases.state(e.run_id) == "unknown" for e in left)
            if not left or not (done or unknown):
                break
            if not done:
                time.sleep(_POLL_SECONDS)
        return records

    def _one_pass(self, sweep: Sweep, leases: Leases) -> list[RunRecord]:
        """Goes through the sweep once and trains each run whose lease it gets."""
        records = []
        for number, experiment in enumerate(sweep.experiments, 1):
            if self.stop.wanted():
                break
            if not sweep.is_left(experiment) or not (lease := self._take(experiment, leases)):
                continue
            if not sweep.is_left(experiment):
                lease.release()  # another process recorded it just before the lease was taken
                continue
            line = f"run {number}/{len(sweep.experiments)}  {experiment.run_id}"
            self.context.reporter.tell(experiment.run_id, 0, line)
            records += self._run(experiment, lease)
        return records

    def _take(self, experiment: Experiment, leases: Leases) -> Lease | None:
        """The lease of a run. A run that killed processes beside others waits until it is alone."""
        checkpoint = self.context.folders.checkpoint(experiment.run_id)
        progress = file_version(checkpoint) or file_version(previous(checkpoint))
        return leases.take(experiment.run_id, progress, None if self.alone else ATTEMPTS - 1)

    def _run(self, experiment: Experiment, lease: Lease) -> list[RunRecord]:
        """The record of the run; none if it was stopped, lost or left for later."""

        def wanted() -> bool:
            lease.check()
            return self.stop.wanted()

        say = self.context.reporter.say
        reporter = replace(self.context.reporter, stop=wanted)
        attempt = Attempt(replace(self.context, reporter=reporter), self.alone)
        try:
            with cpu_threads(experiment.threads):
                if lease.owner.attempts > ATTEMPTS:
                    return [attempt.without_result(experiment, "failed", _KILLED)]
                return [attempt.run(experiment)]
        except Stopped as error:
            say(f"{experiment.run_id}  stopped in {error}: {self.stop.reason}")
        except LeaseLost as error:
            say(f"{experiment.run_id}  left to another process: {error}")
        except NeedsDeviceAlone:
            lease.abandon(ATTEMPTS - 1)
            torch.cuda.empty_cache()
            say(f"{experiment.run_id}  out of memory beside others: later, alone")
        finally:
            lease.release()
        return []


_KILLED = (
    f"{ATTEMPTS} processes died on it, the last one with no other run beside it, before a new "
    "checkpoint: killed from outside, or out of memory"
)


def work(order: Mapping[str, Any]) -> None:
    """Trains what no other process has done or holds; `order` is what `Pool` wrote."""
    stop = Stop(order["deadline"], order["parent"])
    settings = RunSettings(**order["settings"])
    experiments = tuple(Experiment.from_dict(values) for values in order["experiments"])
    sweep = Sweep(experiments, Folders(Path(order["root"])), order["versions"])
    with stop.listening():
        device = pick_device(settings.device)
        reporter = Reporter(_say, progress=lambda *told: _say(as_line(*told)))
        context = RunContext(sweep.folders, device, reporter, settings)
        LocalExecutor(context, stop, order["alone"]).execute(sweep)


def _say(text: str) -> None:
    """A line for the parent process, if that still reads."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return


if __name__ == "__main__":
    try:
        work(json.load(sys.stdin))
    except (ValueError, OSError) as error:
        _say(f"error: {error}")
        sys.exit(Exit.BAD_INPUT)
    except DeviceBroken:
        sys.exit(EXIT_BROKEN_DEVICE)  # its run is recorded
