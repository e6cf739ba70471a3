"""Where every run stands, read from its files. Free of torch."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims import SILENCE_SECONDS, Claims
from benchmarks.experiment import Experiment
from benchmarks.folders import Folders
from benchmarks.record import SCHEMA, RunRecord
from benchmarks.seal import is_sealed
from benchmarks.stale import changed_code, on_other_data


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
