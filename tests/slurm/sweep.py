"""A sweep of tiny runs handed to Slurm as the command line's tables do it, or trained here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.commands.execution import execute, submit
from benchmarks.execution import Execution
from benchmarks.executors.slurm_request import Request
from benchmarks.experiment import Experiment
from benchmarks.folders import Folders
from benchmarks.signals import Stop
from benchmarks.sweep import pending
from tests.faults.tiny_sweep import tiny_session


def submit_tiny(
    folders: Folders, planned: Sequence[Experiment], request: Request, say: Callable[[str], None]
) -> int:
    """Submits what is pending of the plan, and returns how many runs that were."""
    left = pending(planned, folders)
    if left:
        submit(left, tiny_session(folders, say), Execution("cpu"), request)
    return len(left)


def train_here(planned: Sequence[Experiment], folders: Folders) -> None:
    """Trains the plan on this machine, two runs side by side."""
    session = tiny_session(folders, lambda text: None)
    assert execute(planned, session, Execution("cpu", 2), Stop()) == 0
