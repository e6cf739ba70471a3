"""A sweep of tiny runs handed to Slurm as the command line's tables do it, or trained here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.cli.execute import Command, execute, submit
from benchmarks.executors.slurm import Request
from benchmarks.plan.experiment import Experiment
from benchmarks.records.folders import Folders
from benchmarks.records.status import pending
from benchmarks.training.context import RunSettings
from tests.faults.tiny_sweep import tiny_session


def submit_tiny(
    folders: Folders, planned: Sequence[Experiment], request: Request, say: Callable[[str], None]
) -> int:
    """Submits what is pending of the plan, and returns how many runs that were."""
    left = pending(planned, folders)
    if left:
        submit(Command(tiny_session(folders, say), RunSettings("cpu")), request, left)
    return len(left)


def train_here(planned: Sequence[Experiment], folders: Folders) -> None:
    """Trains the plan on this machine, two runs side by side."""
    session = tiny_session(folders, lambda text: None)
    assert execute(Command(session, RunSettings("cpu", 2)), planned) == 0
