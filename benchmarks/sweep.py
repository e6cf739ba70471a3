"""What is left to run, and how a sweep ended. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.experiment import Experiment
from benchmarks.files import set_aside
from benchmarks.folders import Folders
from benchmarks.standing import named_standings, standings

__all__ = ["ENDED", "Folders", "marks", "pending", "set_damaged_aside", "state", "untouched"]

ENDED = ("done", "diverged", "unsupported", "stale")


def state(experiment: Experiment, folders: Folders) -> str:
    """The `Standing.state` of one experiment."""
    return standings([experiment], folders)[experiment.run_id].state


def pending(
    experiments: Iterable[Experiment],
    folders: Folders,
    rerun_stale: bool = False,
    keep_weights: bool = False,
) -> list[Experiment]:
    """What is left to run, each once; failed runs are tried again, stale ones if asked for.

    With `keep_weights` also what is done, but its weights were not kept.
    """
    unique = {e.run_id: e for e in experiments}
    ended = [name for name in ENDED if not (rerun_stale and name == "stale")]
    found = named_standings(unique, folders)

    def left(run_id: str) -> bool:
        lost = found[run_id].state == "done" and not folders.weights(run_id).exists()
        return found[run_id].state not in ended or (keep_weights and lost)

    return [e for run_id, e in unique.items() if left(run_id)]


def set_damaged_aside(
    experiments: Iterable[Experiment], folders: Folders, say: Callable[[str], None]
) -> None:
    """Puts damaged records out of the way, so that these runs are missing, and folders that lie
    where a run writes a file."""
    for run_id, standing in standings(experiments, folders).items():
        if standing.state == "damaged":
            aside = set_aside(folders.record(run_id))
            say(f"{standing.detail}; the record is now {aside.name}, the run is done again")
        for place in (folders.predictions, folders.checkpoint, folders.weights):
            if (path := place(run_id)).is_dir():
                say(f"{path} is a folder, not a file; it is now {set_aside(path).name}")


def marks(experiments: Iterable[Experiment], folders: Folders) -> dict[str, str]:
    """What tells a run's record from a later one, by run_id; empty text where there is none."""
    return {e.run_id: file_mark(folders.record(e.run_id)) for e in experiments}


def file_mark(path: Path) -> str:
    """Time, size and number of a file, or empty text."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def untouched(
    experiments: Iterable[Experiment], folders: Folders, before: Mapping[str, str]
) -> list[Experiment]:
    """The experiments that nobody has ended since `before`, which `marks` gave."""
    return [e for e in experiments if file_mark(folders.record(e.run_id)) == before[e.run_id]]
