"""Runs experiments one after the other in this process, sharing the work with other sweeps."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from benchmarks.executors.attempt import Attempt, Crowded
from benchmarks.executors.stop import Stop
from benchmarks.plan.check import check
from benchmarks.plan.experiment import Experiment
from benchmarks.records import status
from benchmarks.records.code import code_of
from benchmarks.records.files import remove_litter
from benchmarks.records.folders import Folders
from benchmarks.records.leases import Claim, ClaimLost, Claims
from benchmarks.records.record import RunRecord
from benchmarks.training.checkpoint import previous
from benchmarks.training.execution import DEFAULT, Execution, Reporter, Stopped

ATTEMPTS = 3  # processes that may die on a run, without a checkpoint in between, until it failed
_LOOK_AGAIN_SECONDS = 2


@dataclass(frozen=True)
class LocalExecutor:
    """Runs on one device, one experiment at a time. `alone` says that no other run shares it."""

    folders: Folders
    device: torch.device
    reporter: Reporter
    stop: Stop = field(default_factory=Stop)
    alone: bool = True
    execution: Execution = DEFAULT

    def execute(
        self, experiments: Sequence[Experiment], before: Mapping[str, str] | None = None
    ) -> list[RunRecord]:
        """Runs what no other process has done or does, and returns the records of that.

        `before` tells what was ended when the work was planned, default now. A run that raises
        is recorded as failed and the others go on. Raises ValueError before anything runs,
        listing every mistake in the experiments; Unwritable when nothing can be recorded.
        """
        check(experiments)
        remove_litter(self.folders.root)
        for e in experiments:  # now, as somebody may edit the code while it runs
            code_of(e.method, e.dataset)
        before = before or status.marks(experiments, self.folders)
        claims, records = Claims(self.folders.claims), []
        while not self.stop.wanted():
            done = self._pass(experiments, before, claims)
            records += done
            left = status.untouched(experiments, self.folders, before)
            unknown = any(claims.pulse(e.run_id) == "unknown" for e in left)
            if not left or not (done or unknown):
                break
            if not done:
                time.sleep(_LOOK_AGAIN_SECONDS)
        return records

    def _pass(
        self, experiments: Sequence[Experiment], before: Mapping[str, str], claims: Claims
    ) -> list[RunRecord]:
        """Goes through the plan once."""
        records, started = [], time.monotonic()
        for number, experiment in enumerate(experiments):
            if self.stop.wanted():
                break
            if not status.untouched([experiment], self.folders, before):
                continue
            checkpoint = self.folders.checkpoint(experiment.run_id)
            progress = status.file_mark(checkpoint) or status.file_mark(previous(checkpoint))
            limit = None if self.alone else ATTEMPTS - 1
            claim = claims.take(experiment.run_id, progress, limit)
            if claim is None:
                continue
            if not status.untouched([experiment], self.folders, before):
                claim.release()  # ended between the look and the claim
                continue
            left = _time_left(time.monotonic() - started, number, len(experiments))
            self.reporter.say(f"run {number + 1}/{len(experiments)}{left}  {experiment.run_id}")
            records += self._claimed(experiment, claim)
        return records

    def _claimed(self, experiment: Experiment, claim: Claim) -> list[RunRecord]:
        def wanted() -> bool:
            claim.confirm()
            return self.stop.wanted()

        talk = replace(self.reporter, stop=wanted)
        attempt = Attempt(self.folders, self.device, talk, self.alone, self.execution)
        try:
            if claim.owner.attempts > ATTEMPTS:
                return [attempt.without_result(experiment, "failed", _KILLED)]
            return [attempt.run(experiment)]
        except Stopped as error:
            self.reporter.say(f"{experiment.run_id}  stopped in {error}: {self.stop.reason}")
        except ClaimLost as error:
            self.reporter.say(f"{experiment.run_id}  left to another process: {error}")
        except Crowded:
            claim.leave(ATTEMPTS - 1)
            torch.cuda.empty_cache()
            self.reporter.say(f"{experiment.run_id}  out of memory beside others: later, alone")
        finally:
            claim.release()
        return []


_KILLED = (
    f"{ATTEMPTS} processes died on it, the last one with no other run beside it, before an epoch "
    "was finished: killed from outside, or out of memory"
)


def _time_left(seconds: float, done: int, count: int) -> str:
    """What the remaining runs take if they take as long as those before."""
    return f" (about {seconds / done * (count - done) / 60:.0f} min left)" if done else ""
