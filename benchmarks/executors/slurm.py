"""Submits a plan to Slurm: every job of the array is a pool of processes that shares the plan."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING

from benchmarks import sweep
from benchmarks.execution import Execution
from benchmarks.executors.pool import Pool
from benchmarks.executors.slurm_request import Request
from benchmarks.experiment import Experiment
from benchmarks.folders import Folders
from benchmarks.jobs import job_count
from benchmarks.signals import Stop
from benchmarks.words import counted

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

_RESTARTS = 100  # of a job whose time was up


@dataclass(frozen=True)
class SlurmJob:
    """One job: runs what of the plan no other process does, and asks to be queued again if its
    time was up first."""

    folders: Folders
    experiments: Sequence[Experiment]
    before: Mapping[str, str]
    execution: Execution
    request: Request

    def __call__(self) -> int:
        """The number of runs left, which other jobs do; RuntimeError if it had to stop."""
        stop = Stop()
        with stop.listening():
            pools = [Pool(self.folders, _say, stop, e) for e in self._executions()]
            with ThreadPoolExecutor(len(pools)) as threads:
                list(threads.map(lambda p: p.execute(self.experiments, self.before), pools))
        left = len(sweep.untouched(self.experiments, self.folders, self.before))
        _say(f"{counted(left, 'run')} left")
        if left and stop.reason == signal.SIGUSR2.name:
            signal.raise_signal(signal.SIGUSR2)  # now to submitit, which queues this job again
        if left and stop.reason:
            raise RuntimeError(f"stopped ({stop.reason}) with {counted(left, 'run')} left")
        return left

    def checkpoint(self) -> DelayedSubmission:
        """What submitit starts next time: the same, as all progress lies in the folders."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)

    def _executions(self) -> list[Execution]:
        """One for each device of the job, decided on its node."""
        devices = [f"cuda:{number}" for number in range(self.request.gpus)]
        return [
            replace(self.execution, device=name, jobs=job_count(self.request.runs, name))
            for name in devices or [self.execution.device or "cpu"]
        ]


def submit_array(job: SlurmJob) -> str:
    """Submits `job.request.jobs` times the job as one array and returns its id.

    Raises ValueError where submitit or Slurm is missing, and with sbatch's words if it refuses.
    """
    if not (shutil.which("sbatch") and shutil.which("srun")):
        raise ValueError("--executor slurm: no sbatch and srun here; call it on a login node")
    try:
        import submitit
    except ImportError as error:
        install = "pip install -r requirements-extra.txt"
        raise ValueError(f"--executor slurm needs submitit: {install}") from error
    folder = job.folders.root.absolute() / "slurm" / "%j"
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=_RESTARTS)
    executor.update_parameters(**job.request.parameters())
    try:
        with redirect_stderr(StringIO()), executor.batch():
            jobs = [executor.submit(job) for _ in range(job.request.jobs)]
    except submitit.core.utils.FailedJobError as error:
        raise ValueError(f"sbatch refused: {_last_words(error)}") from error
    return jobs[0].job_id.partition("_")[0]


def _last_words(error: Exception) -> str:
    """sbatch's own complaint."""
    found = re.findall(r"sbatch: error: (.+)", str(error))
    return "; ".join(found) or str(error).strip().splitlines()[-1]


def _say(text: str) -> None:
    """A line into the job's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
