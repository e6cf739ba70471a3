"""Joins results folders of several machines: what to copy, and which runs contradict each other.

Runs of the same name have the same configuration and the same data, so their numbers must be the
same wherever they were trained; different numbers are never mixed silently.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.records.files import write_bytes
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from datasets.store.system import listed

Keep = Literal["ours", "theirs"]
_RESULT = ("status", "history", "data", "parameters")
_KINDS = ("record", "predictions", "logits", "weights")  # files of a run, by folder
_DIGEST_BYTES = hashlib.sha256().digest_size  # before the weights, see `checkpoint`
REPLACED = "replaced"  # the folder for files that were replaced


@dataclass(frozen=True)
class Found:
    """A run's record in one results folder."""

    folders: Folders
    record: RunRecord

    def same_result(self, other: Found) -> bool:
        """Whether both have the same numbers; place, time and code do not count."""
        return all(getattr(self.record, k) == getattr(other.record, k) for k in _RESULT)


@dataclass
class Merge:
    """What joining the folders would do.

    `copies` holds (from, to); the record of each run comes last. The files in `retired` are moved
    away before. `new`, `replaced` and `known` count runs. `conflicts` and `left_out` hold one
    sentence for each run or file.
    """

    target: Folders
    copies: list[tuple[Path, Path]] = field(default_factory=list)
    retired: list[Path] = field(default_factory=list)
    new: int = 0
    replaced: int = 0
    known: int = 0
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def carry_out(self) -> None:
        """Moves the retired files away and copies the others, each atomically.

        If it is interrupted it can be repeated; what was copied is then not copied again.
        """
        for path in self.retired:
            aside = self.target.root / REPLACED / path.relative_to(self.target.root)
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.replace(aside)
        for source, path in self.copies:
            write_bytes(path, source.read_bytes())


def plan_merge(target: Folders, others: Sequence[Folders], keep: Keep | None = None) -> Merge:
    """Compares the runs of `others`, in that order, with those of `target`; changes nothing.

    Of runs with the same result the first is used. Of runs with different results `keep` takes the
    first (`ours`) or the last (`theirs`); without it they are conflicts. A run that ended replaces
    a failed one.
    """
    merge, runs = Merge(target), defaultdict(list)
    for folders in (target, *others):
        for one in _readable(folders, merge.left_out):
            runs[one.record.run_id].append(one)
    for found in runs.values():
        ended = [each for each in found if each.record.status != "failed"] or found[:1]
        differing = [each for each in ended if not each.same_result(ended[0])]
        if differing and keep is None:
            merge.conflicts += [_difference(ended[0], each) for each in differing]
            continue
        chosen = differing[-1] if differing and keep == "theirs" else ended[0]
        _plan_run(merge, chosen, [each for each in ended if each.same_result(chosen)])
    return merge


def _readable(folders: Folders, left_out: list[str]) -> Iterator[Found]:
    for path in listed(folders.root / "runs", "*.json"):
        try:
            yield Found(folders, RunRecord.load(path))
        except (ValueError, OSError) as error:
            left_out.append(" ".join(str(error).split()))


def _plan_run(merge: Merge, chosen: Found, equal: Sequence[Found]) -> None:
    """Plans to copy what the target lacks of a run. All in `equal` have the result of `chosen`."""
    run_id, target = chosen.record.run_id, merge.target
    there = chosen.folders == target
    old = target.record(run_id)
    if not there:
        merge.retired += [path for path in _files_of(run_id, target) if path.exists()]
    for name in _KINDS[1:]:
        _plan_file(merge, name, [chosen, *equal])
    failure = chosen.folders.failure(run_id)
    if chosen.record.status == "failed" and not there and failure.is_file():
        merge.copies.append((failure, target.failure(run_id)))
    if there:
        merge.known += 1
        return
    merge.replaced += old.exists()
    merge.new += not old.exists()
    merge.copies.append((chosen.folders.record(run_id), old))


def _files_of(run_id: str, folders: Folders) -> list[Path]:
    """Every file that a results folder may have of a run, measurements on its weights included."""
    measured = [listed(folders.root / name, f"{run_id}-*") for name in ("sharpness", "landscape")]
    files = [getattr(folders, name)(run_id) for name in _KINDS]
    return [*files, *(path for paths in measured for path in paths)]


def _plan_file(merge: Merge, name: str, equal: Sequence[Found]) -> None:
    """Plans to copy the first intact file of a kind unless the target has it; names damaged ones.

    `equal` starts with the run whose record is used: its digests say which files are right.
    """
    run_id = equal[0].record.run_id
    to = getattr(merge.target, name)(run_id)
    sources = dict.fromkeys((each.folders, _digest_of(name, each.record)) for each in equal)
    for folders, digest in sources:
        path = getattr(folders, name)(run_id)
        if not path.is_file():
            continue
        if not _intact(path, digest):
            merge.left_out.append(f"{path} is damaged: its checksum does not fit")
            merge.retired += [path] if path == to else []
        elif digest == _digest_of(name, equal[0].record):
            merge.copies += [] if path == to else [(path, to)]
            return


def _digest_of(name: str, record: RunRecord) -> str | None:
    """The digest of a file in its run's record, empty in old records; None: in the file itself."""
    digests = {"predictions": record.predictions_sha256, "logits": record.logits_sha256}
    return digests.get(name)


def _intact(path: Path, digest: str | None) -> bool:
    """Whether a file has this digest. Empty: unknown, which passes. None: weights, whose digest is
    in the file."""
    content = path.read_bytes()
    if digest is None:
        return hashlib.sha256(content[_DIGEST_BYTES:]).digest() == content[:_DIGEST_BYTES]
    return not digest or hashlib.sha256(content).hexdigest() == digest


def _difference(first: Found, second: Found) -> str:
    """One sentence that describes the first difference between two results of a run."""
    what = _first_difference(first.record, second.record)
    code = "" if first.record.code == second.record.code else "; the code differs too"
    places = f"{first.folders.root} against {second.folders.root}"
    return f"{first.record.run_id}: {what} ({places}){code}"


def _first_difference(first: RunRecord, second: RunRecord) -> str:
    if first.status != second.status:
        return f"{first.status} against {second.status}"
    for one, other in zip(first.history, second.history, strict=False):
        if one != other:
            return f"epoch {one['epoch']} {_unequal(one, other)}"
    count = len(first.history), len(second.history)
    if count[0] != count[1]:
        return f"{count[0]} epochs against {count[1]}"
    return "the data or the size of the model differ"


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first entry that differs; those of the test set come first."""
    for part in ("test", "val", "train"):
        left, right = one.get(part) or {}, other.get(part) or {}
        for key in left:
            if left[key] != right.get(key):
                return f"{part} {key} {left[key]} against {right.get(key)}"
    return "differs"
