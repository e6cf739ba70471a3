"""Submits a plan to Slurm: every job of the array is a pool of processes that shares the plan."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from benchmarks.executors.jobs import CORES_PER_CUDA_RUN, job_count
from benchmarks.executors.pool import Pool
from benchmarks.executors.stop import Stop
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.workspace import ROOT
from benchmarks.records import status
from benchmarks.records.folders import Folders
from benchmarks.training.execution import Execution
from datasets.errors import counted

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
        left = len(status.untouched(self.experiments, self.folders, self.before))
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
    python = f"{shlex.quote(sys.executable)} -P"  # no module from the folder it was submitted in
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=_RESTARTS, python=python)
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


OPTIONS = ("slurm_jobs", "partition", "gpus_per_job", "time")
_LEAST_MINUTES, _USUAL_MINUTES = 5, 60


@dataclass(frozen=True)
class Request:
    """`jobs` jobs of `minutes`, each with `gpus` GPUs; `runs` side by side on each device of a job,
    as `--jobs` has it."""

    jobs: int = 1
    runs: str = "auto"
    gpus: int = 0
    minutes: int = _USUAL_MINUTES
    partition: str | None = None

    def parameters(self) -> dict[str, Any]:
        """The parameters of submitit's Slurm executor.

        Without a number of runs the partition decides on the cores.
        """
        path = f"export PYTHONPATH={shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}"
        cores = None
        if self.runs != "auto":
            cores = int(self.runs) * (CORES_PER_CUDA_RUN * self.gpus or 1)
        return {
            "job_name": "msam-bench",
            "time": self.minutes,
            "partition": self.partition,
            "gpus_per_node": self.gpus or None,
            "cpus_per_task": cores,
            # srun would bind its task to one core, and does not ask how many sbatch was given.
            "srun_args": ["--cpu-bind=none", *([f"--cpus-per-task={cores}"] if cores else [])],
            "additional_parameters": {"requeue": True},
            "stderr_to_stdout": True,
            "setup": [path],
        }


def asked_of_slurm(arguments: Namespace) -> Request | None:
    """What the command line asks of Slurm, None if of another executor.

    Raises ValueError, listing every mistake.
    """
    if arguments.executor != "slurm":
        given = [name for name in OPTIONS if getattr(arguments, name) is not None]
        if given:
            words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ValueError(f"{words} is for Slurm; add --executor slurm or leave it out")
        return None
    jobs = 1 if arguments.slurm_jobs is None else arguments.slurm_jobs
    gpus, minutes = arguments.gpus_per_job or 0, _minutes(arguments.time)
    problems = {
        f"--slurm-jobs is {jobs}; it must be at least 1": jobs < 1,
        f"--gpus-per-job is {gpus}; it must be at least 0": gpus < 0,
        _BAD_TIME.format(arguments.time): minutes < _LEAST_MINUTES,
        "--device is for jobs without GPUs; Slurm gives the others theirs": gpus
        and arguments.device,
        "--max-hours is for this machine; give --time": arguments.max_hours is not None,
    }
    if found := [problem for problem, is_there in problems.items() if is_there]:
        raise ValueError("\n  ".join(found))
    return Request(jobs, arguments.jobs, gpus, minutes, arguments.partition)


_BAD_TIME = (
    "--time is '{}'; it must be whole minutes or HH:MM:SS, "
    f"and at least {_LEAST_MINUTES} minutes, as a job needs time to start and to save"
)


def _minutes(text: str | None) -> int:
    """Minutes, rounded up; 0 for what is no time."""
    if text is None:
        return _USUAL_MINUTES
    if text.isdecimal():
        return int(text)
    parts = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
    hours, minutes, seconds = map(int, parts.groups()) if parts else (0, 0, 0)
    return 60 * hours + minutes + (seconds > 0)
