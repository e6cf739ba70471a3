"""The status of every run, read from its files: what is done, under way, damaged, left to do."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import changed_code, on_other_data
from benchmarks.records.files import set_aside
from benchmarks.records.folders import Folders
from benchmarks.records.leases import EXPIRY_SECONDS, Leases
from benchmarks.records.record import SCHEMA, RunRecord, is_sealed
from datasets.store.system import listed

ENDED = ("done", "diverged", "unsupported", "stale")


@dataclass(frozen=True)
class Status:
    """The status of a run.

    `state` is `done`, `diverged`, `failed`, `unsupported`, `stale` (ended, but with other code),
    `damaged` (its record or predictions are), `running`, `interrupted` or `missing`. `detail` says
    why it failed or cannot be run, what changed, or which process is running it.
    """

    state: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.detail})" if self.detail else self.state


def statuses(experiments: Iterable[Experiment], folders: Folders) -> dict[str, Status]:
    """The status of each experiment, by run_id."""
    leases = Leases(folders.leases)
    leased = {path.name.split(".")[0] for path in listed(folders.leases, "*.json")}
    started = {path.name.split(".")[0] for path in listed(folders.root / "checkpoints", "*.pt")}
    recorded = defaultdict(list)
    for path in listed(folders.root / "runs", "*.json"):
        recorded[path.stem.rpartition("-")[0]].append(path)
    found = {}
    for experiment in experiments:
        run_id = experiment.run_id
        path = folders.record(run_id)
        others = recorded[run_id.rpartition("-")[0]]
        status = _running(run_id, leases) if run_id in leased else None
        if path in others:
            status = status or _recorded(path, folders)
        elif run_id in started:
            status = status or Status("interrupted")
        found[run_id] = status or _missing(experiment, others)
    return found


def recorded_cells(folders: Folders) -> Counter[str]:
    """How many runs of each cell are recorded as done, by `cell_id`, on whatever data."""
    found: Counter[str] = Counter()
    for path in listed(folders.root / "runs", "*.json"):
        try:
            head = _read_head(path)
            found[Experiment.from_dict(head.experiment).cell_id] += head.status == "done"
        except (ValueError, OSError):
            continue  # a damaged record is named by the verb that reads it
    return found


def state(experiment: Experiment, folders: Folders) -> str:
    """The `Status.state` of one experiment."""
    return statuses([experiment], folders)[experiment.run_id].state


def pending(
    experiments: Iterable[Experiment],
    folders: Folders,
    rerun_stale: bool = False,
    keep_weights: bool = False,
) -> list[Experiment]:
    """What is left to run, each once. Failed runs are tried again, stale ones with `rerun_stale`.

    With `keep_weights` also runs that are done but whose weights were not kept.
    """
    unique = {e.run_id: e for e in experiments}
    ended = [name for name in ENDED if not (rerun_stale and name == "stale")]
    found = statuses(unique.values(), folders)

    def left(run_id: str) -> bool:
        lost = found[run_id].state == "done" and not folders.weights(run_id).exists()
        return found[run_id].state not in ended or (keep_weights and lost)

    return [e for run_id, e in unique.items() if left(run_id)]


def set_damaged_aside(
    experiments: Iterable[Experiment], folders: Folders, say: Callable[[str], None]
) -> None:
    """Renames damaged records, so that these runs are missing, and folders that lie where a run
    writes a file."""
    for run_id, status in statuses(experiments, folders).items():
        if status.state == "damaged":
            aside = set_aside(folders.record(run_id))
            say(f"{status.detail}; the record is now {aside.name}, the run is done again")
        for place in (folders.predictions, folders.checkpoint, folders.weights):
            if (path := place(run_id)).is_dir():
                say(f"{path} is a folder, not a file; it is now {set_aside(path).name}")


@dataclass(frozen=True)
class Sweep:
    """The runs of one command, and the version of each run's record when they were planned.

    `versions` maps a run_id to what tells one record file from a later one; empty text where there
    was no record. So of two processes with the same sweep, neither repeats what the other ended.
    """

    experiments: tuple[Experiment, ...]
    folders: Folders
    versions: Mapping[str, str]

    @classmethod
    def planned_now(cls, experiments: Iterable[Experiment], folders: Folders) -> Sweep:
        """These experiments, to be run whatever records there are now."""
        planned = tuple(experiments)
        versions = {e.run_id: file_version(folders.record(e.run_id)) for e in planned}
        return cls(planned, folders, versions)

    def is_left(self, experiment: Experiment) -> bool:
        """Whether no process has recorded this run since it was planned."""
        run_id = experiment.run_id
        return file_version(self.folders.record(run_id)) == self.versions[run_id]

    def left(self) -> list[Experiment]:
        """The runs that no process has recorded since they were planned."""
        return [e for e in self.experiments if self.is_left(e)]


def file_version(path: Path) -> str:
    """Time, size and inode of a file, as text; empty if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _running(run_id: str, leases: Leases) -> Status | None:
    state, owner = leases.state(run_id), leases.owner(run_id)
    if owner is None or state in ("dead", "free"):
        return None
    silent = leases.seconds_silent(run_id)
    if state == "unknown" and silent > EXPIRY_SECONDS:
        return None
    return Status("running", f"{owner}, last sign {silent:.0f} s ago")


def _recorded(path: Path, folders: Folders) -> Status:
    try:
        head = _read_head(path)
        problem = _predictions_problem(folders.predictions(path.stem), head)
    except (ValueError, OSError) as error:
        problem = str(error)
    if problem:
        return Status("damaged", problem)
    if head.status == "failed":
        return Status(head.status, f"{head.reason}; {folders.failure(path.stem)}")
    experiment = head.experiment
    if changes := changed_code(head.code, experiment["method"], experiment["dataset"]):
        return Status("stale", f"{', '.join(changes)} changed")
    return Status(head.status, head.reason if head.status == "unsupported" else "")


class _Head(msgspec.Struct):
    """What a status needs of a record. The parser skips all other keys, such as the history, which
    is nearly all of the file: with it, ten thousand records would take many seconds."""

    run_id: str
    experiment: dict[str, Any]
    status: str
    reason: str = ""
    code: dict[str, str] = {}
    predictions_sha256: str = ""  # the first records had none
    schema: int = SCHEMA


_parser = msgspec.json.Decoder(_Head)


def _read_head(path: Path) -> _Head:
    """A record without its history. One whose checksum fits is not checked any further.

    Raises ValueError, which names the file, if there is no valid record in it.
    """
    content = path.read_bytes()
    try:
        head = _parser.decode(content) if is_sealed(content) else None
    except (ValueError, msgspec.MsgspecError):
        head = None  # `RunRecord.load` says what is wrong
    if head and head.schema == SCHEMA and head.run_id == path.stem:
        return head
    record = RunRecord.load(path)
    values = {name: getattr(record, name) for name in _Head.__struct_fields__}
    return _Head(**values | {"experiment": record.experiment.to_dict()})


def _predictions_problem(path: Path, head: _Head) -> str:
    """What is wrong with the predictions; empty if they fit, were deleted, or have no checksum."""
    if not head.predictions_sha256 or not path.exists():
        return ""
    fits = hashlib.sha256(path.read_bytes()).hexdigest() == head.predictions_sha256
    return "" if fits else f"{path} is damaged: its checksum does not fit its record"


def _missing(experiment: Experiment, others: list[Path]) -> Status:
    """A run without a record. Says so if there is a record of the same run on other data; a record
    with other settings is another run, and both may be wanted."""
    for path in others:
        try:
            before = _read_head(path).experiment
        except (ValueError, OSError):
            continue
        if on_other_data(before, experiment):
            return Status("missing", "data changed since an older record")
    return Status("missing")
