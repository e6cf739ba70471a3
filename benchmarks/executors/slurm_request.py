"""What the command line asks of Slurm."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from benchmarks.jobs import CORES_PER_CUDA_RUN
from benchmarks.workspace import ROOT

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
