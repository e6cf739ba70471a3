"""Where every run stands, read from its files. Free of torch."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plan.experiment import Experiment
from benchmarks.records.code import changed_code, on_other_data
from benchmarks.records.files import set_aside
from benchmarks.records.folders import Folders
from benchmarks.records.leases import SILENCE_SECONDS, Claims
from benchmarks.records.record import SCHEMA, RunRecord, is_sealed


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    `detail` says why it failed or cannot be run, what changed, or who is running it.

    `state` is `done`, `diverged`, `failed`, `unsupported`, `stale` (ended, but under other code),
    `damaged` (its record or predictions are), `running`, `interrupted` or `missing`.
    """

    state: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.detail})" if self.detail else self.state


def standings(experiments: Iterable[Experiment], folders: Folders) -> dict[str, Standing]:
    """Where each experiment stands, by run_id."""
    return named_standings({e.run_id: e for e in experiments}, folders)


def named_standings(experiments: Mapping[str, Experiment], folders: Folders) -> dict[str, Standing]:
    """As `standings`, for experiments whose run_ids are known: to compute them takes time."""
    claims = Claims(folders.claims)
    claimed = {path.name.split(".")[0] for path in folders.claims.glob("*.json")}
    started = {path.name.split(".")[0] for path in (folders.root / "checkpoints").glob("*.pt")}
    recorded = defaultdict(list)
    for path in (folders.root / "runs").glob("*.json"):
        recorded[path.stem.rpartition("-")[0]].append(path)
    found = {}
    for run_id, experiment in experiments.items():
        path = folders.record(run_id)
        others = recorded[run_id.rpartition("-")[0]]
        standing = _running(run_id, claims) if run_id in claimed else None
        if path in others:
            standing = standing or _recorded(path, folders)
        elif run_id in started:
            standing = standing or Standing("interrupted")
        found[run_id] = standing or _missing(experiment, others)
    return found


def _running(run_id: str, claims: Claims) -> Standing | None:
    pulse, owner = claims.pulse(run_id), claims.owner(run_id)
    if owner is None or pulse in ("dead", "free"):
        return None
    silence = claims.silence(run_id)
    if pulse == "unknown" and silence > SILENCE_SECONDS:
        return None
    return Standing("running", f"{owner}, last sign {silence:.0f} s ago")


def _recorded(path: Path, folders: Folders) -> Standing:
    try:
        values = _values(path)
        problem = _predictions_problem(folders.predictions(path.stem), values)
    except (ValueError, OSError) as error:
        problem = str(error)
    if problem:
        return Standing("damaged", problem)
    experiment, status = values["experiment"], values["status"]
    if status == "failed":
        return Standing(status, f"{values['reason']}; {folders.failure(path.stem)}")
    if changes := changed_code(values.get("code", {}), experiment["method"], experiment["dataset"]):
        return Standing("stale", f"{', '.join(changes)} changed")
    return Standing(status, values["reason"] if status == "unsupported" else "")


def _values(path: Path) -> dict[str, Any]:
    """A record's JSON values, unchecked where its checksum vouches for them; ValueError if not."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        values = json.loads(_without_history(text)) if is_sealed(text) else {}
    except ValueError as error:
        raise ValueError(f"{path} is no readable record: {error}") from error
    if values.get("schema") == SCHEMA and values.get("run_id") == path.stem:
        return values
    record = RunRecord.load(path)
    return {**vars(record), "experiment": record.experiment.to_dict()}


def _without_history(text: str) -> str:
    """A record as `RunRecord.save` writes it, without what is nearly all of it and not asked for
    here: ten thousand records would take seconds."""
    head, _, rest = text.partition('\n "history": [\n')
    return head + rest.partition("\n ],")[2]


def _predictions_problem(path: Path, values: dict[str, Any]) -> str:
    """What is wrong with the predictions; deleted ones are no damage."""
    wanted = values.get("predictions_sha256")  # the first records had none
    if not wanted or not path.exists():
        return ""
    fits = hashlib.sha256(path.read_bytes()).hexdigest() == wanted
    return "" if fits else f"{path} is damaged: its checksum does not fit its record"


def _missing(experiment: Experiment, others: list[Path]) -> Standing:
    """A run without record; says so if there is one on other data. Other settings are another run:
    whoever asked for those may want both."""
    for path in others:
        try:
            before = _values(path)["experiment"]
        except (ValueError, OSError):
            continue
        if on_other_data(before, experiment):
            return Standing("missing", "data changed since an older record")
    return Standing("missing")


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
