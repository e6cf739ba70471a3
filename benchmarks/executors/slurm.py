"""Submits a sweep to Slurm: every job of an array is a pool of processes that share the runs."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import TYPE_CHECKING, Any

from benchmarks.executors.devices import CORES_PER_CUDA_RUN, job_count
from benchmarks.executors.pool import Pool
from benchmarks.executors.stop import Stop
from benchmarks.plan.workspace import ROOT
from benchmarks.records.status import Sweep
from benchmarks.training.context import RunSettings
from datasets.errors import counted

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

_RESTARTS = 100  # of a job whose time was up


@dataclass(frozen=True)
class SlurmJob:
    """One job: trains the runs of the sweep that no other process holds.

    If its time is up first, it asks to be queued again.
    """

    sweep: Sweep
    settings: RunSettings
    request: Request

    def __call__(self) -> int:
        """The number of runs left, which other jobs do; RuntimeError if it had to stop."""

        stop = Stop()
        with stop.listening():
            pools = [Pool(settings, stop, _say) for settings in self._settings_per_device()]
            with ThreadPoolExecutor(len(pools)) as threads:
                list(threads.map(lambda pool: pool.execute(self.sweep), pools))
        left = len(self.sweep.left())
        _say(f"{counted(left, 'run')} left")
        if left and stop.reason == signal.SIGUSR2.name:
            signal.raise_signal(signal.SIGUSR2)  # now to submitit, which queues this job again
        if left and stop.reason:
            raise RuntimeError(f"stopped ({stop.reason}) with {counted(left, 'run')} left")
        return left

    def checkpoint(self) -> DelayedSubmission:
        """What submitit starts next time: the same job, as all progress is in the folders."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)

    def _settings_per_device(self) -> list[RunSettings]:
        """One for each device of the job, decided on its node."""
        gpus = [f"cuda:{number}" for number in range(self.request.gpus)]
        devices = gpus or [self.settings.device or "cpu"]
        threads = max((e.threads for e in self.sweep.experiments), default=1)
        jobs = [job_count(self.request.runs, name, threads, len(devices)) for name in devices]
        pairs = zip(devices, jobs, strict=True)
        return [replace(self.settings, device=name, jobs=count) for name, count in pairs]


def submit_array(job: SlurmJob) -> str:
    """Submits the job `job.request.jobs` times as one array and returns its id.

    Raises ValueError if submitit or Slurm is missing, and with sbatch's message if it refuses.
    """
    if not (shutil.which("sbatch") and shutil.which("srun")):
        raise ValueError("--executor slurm: no sbatch and srun here; call it on a login node")
    try:
        import submitit
    except ImportError as error:
        install = "pip install -r requirements-extra.txt"
        raise ValueError(f"--executor slurm needs submitit: {install}") from error
    folder = job.sweep.folders.root.absolute() / "slurm" / "%j"
    python = f"{shlex.quote(sys.executable)} -P"  # no module from the folder it was submitted in
    executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=_RESTARTS, python=python)
    threads = max(e.threads for e in job.sweep.experiments)
    executor.update_parameters(**job.request.parameters(threads))
    try:
        with redirect_stderr(StringIO()), executor.batch():
            jobs = [executor.submit(job) for _ in range(job.request.jobs)]
    except submitit.core.utils.FailedJobError as error:
        raise ValueError(f"sbatch refused: {_message(error)}") from error
    return jobs[0].job_id.partition("_")[0]


def _message(error: Exception) -> str:
    """sbatch's own message."""
    found = re.findall(r"sbatch: error: (.+)", str(error))
    return "; ".join(found) or str(error).strip().splitlines()[-1]


def _say(text: str) -> None:
    """A line into the job's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


NAMES = ("account", "qos", "mem", "constraint")  # as submitit and sbatch call them
OPTIONS = ("slurm_jobs", "partition", "gpus_per_job", "time", *NAMES, "slurm_arg")
_LEAST_MINUTES, _USUAL_MINUTES = 5, 60


@dataclass(frozen=True)
class Request:
    """`jobs` jobs of so many `minutes`, each with `gpus` GPUs.

    `runs` is `--jobs` as typed: how many runs share each device of a job. `named` are those of
    NAMES that were typed; `more` holds other options of sbatch.
    """

    jobs: int = 1
    runs: str = "auto"
    gpus: int = 0
    minutes: int = _USUAL_MINUTES
    partition: str | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self, threads: int) -> dict[str, Any]:
        """The parameters of submitit's Slurm executor for runs of `threads` CPU threads.

        Without a number of runs the partition decides on the cores.
        """
        path = f"export PYTHONPATH={shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}"
        cores = None
        if self.runs != "auto":
            cores = int(self.runs) * (CORES_PER_CUDA_RUN * self.gpus or threads)
        return {
            "job_name": "msam-bench",
            "time": self.minutes,
            "partition": self.partition,
            **self.named,
            "gpus_per_node": self.gpus or None,
            "cpus_per_task": cores,
            # srun would bind its task to one core; it does not read what sbatch was given.
            "srun_args": ["--cpu-bind=none", *([f"--cpus-per-task={cores}"] if cores else [])],
            "additional_parameters": {"requeue": True, **self.more},
            "stderr_to_stdout": True,
            "setup": [path],
        }


def slurm_request(arguments: Namespace, wants_gpu: bool = False) -> Request | None:
    """What the command line asks of Slurm; None for another executor.

    `wants_gpu`: jobs get one GPU each where `--gpus-per-job` and `--device` say nothing else.
    Raises ValueError, listing every mistake.
    """
    if arguments.executor != "slurm":
        given = [name for name in OPTIONS if getattr(arguments, name) not in (None, [])]
        if given:
            words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ValueError(f"{words} is for Slurm; add --executor slurm or leave it out")
        return None
    jobs = 1 if arguments.slurm_jobs is None else arguments.slurm_jobs
    gpus, minutes = arguments.gpus_per_job, _minutes(arguments.time)
    if gpus is None:
        gpus = int(wants_gpu and arguments.device is None)
    more = {name.replace("-", "_"): value for name, value in arguments.slurm_arg}
    problems = {
        f"--slurm-jobs is {jobs}; it must be at least 1": jobs < 1,
        f"--gpus-per-job is {gpus}; it must be at least 0": gpus < 0,
        _BAD_TIME.format(arguments.time): minutes < _LEAST_MINUTES,
        "--device is for jobs without GPUs; Slurm gives the others theirs": gpus
        and arguments.device,
        "--max-hours is for this machine; give --time": arguments.max_hours is not None,
        **{f"--slurm-arg {name} is set by {_OWN[name]}": True for name in more if name in _OWN},
    }
    if found := [problem for problem, is_there in problems.items() if is_there]:
        raise ValueError("\n  ".join(found))
    typed = {name: getattr(arguments, name) for name in NAMES}
    named = {name: value for name, value in typed.items() if value is not None}
    return Request(jobs, arguments.jobs, gpus, minutes, arguments.partition, named, more)


# What the suite itself tells sbatch, by its name there, and the option for it.
_OWN = {
    **{name: f"--{name}" for name in ("partition", *NAMES)},
    "time": "--time",
    "gpus_per_node": "--gpus-per-job",
    "cpus_per_task": "--jobs",
    "array": "--slurm-jobs",
    **dict.fromkeys(("requeue", "signal", "job_name", "output", "error", "open_mode"), "the suite"),
}

_BAD_TIME = (
    "--time is '{}'; it must be whole minutes or HH:MM:SS, "
    f"and at least {_LEAST_MINUTES} minutes, as a job needs time to start and to save"
)


def _minutes(text: str | None) -> int:
    """Minutes, rounded up; 0 if the text is not a time."""
    if text is None:
        return _USUAL_MINUTES
    if text.isdecimal():
        return int(text)
    parts = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text)
    hours, minutes, seconds = map(int, parts.groups()) if parts else (0, 0, 0)
    return 60 * hours + minutes + (seconds > 0)
