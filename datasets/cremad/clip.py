"""One clip: its raw files -> waveform and frame, kept in a small file of their own.

Runs in worker processes, which need numpy, av and PIL only.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.cremad.raw import Pointer, pointer_in
from datasets.cremad.spec import KINDS, PULL
from datasets.errors import DataError
from datasets.raw.flv import missing_bytes, read_frame
from datasets.raw.wav import parse_wav
from datasets.store.atomic import write_atomic

RATE_HZ = 16_000
SECONDS = 3
MARGIN = 320
"""Samples kept beyond three seconds, for the filter of a later resampling."""

KEPT_SAMPLES = SECONDS * RATE_HZ + MARGIN


@dataclass(frozen=True)
class Task:
    """What to convert: files and, where known, official pointers by kind; `size` (rows, columns)
    of the kept frame; `folder` takes the result."""

    clip: str
    files: Mapping[str, Path]
    pointers: Mapping[str, Pointer]
    size: tuple[int, int]
    folder: Path

    @property
    def result(self) -> Path:
        """Where the converted clip lies."""
        return self.folder / f"{self.clip}.npz"


@dataclass(frozen=True)
class Outcome:
    """`problem` says why a clip cannot be used; None if it was converted.

    `sha256` and `bytes` are of the raw files, by kind.
    """

    clip: str
    problem: str | None
    sha256: Mapping[str, str]
    bytes: Mapping[str, int]


def convert(task: Task) -> Outcome:
    """Reads, verifies and converts a clip, unless its result is there already.

    Only what concerns this machine is raised (OSError while writing); what is wrong with the
    clip is in the outcome.
    """
    try:
        content = {kind: _verified(task, kind) for kind in KINDS}
        sha256 = {kind: hashlib.sha256(data).hexdigest() for kind, data in content.items()}
        result = None if _is_done(task, sha256) else _converted(task, content)
    except DataError as error:
        return Outcome(task.clip, str(error), {}, {})
    if result is not None:
        _save(task.result, **result, raw=np.array([sha256[kind] for kind in KINDS]))
    return Outcome(task.clip, None, sha256, {kind: len(data) for kind, data in content.items()})


def read_result(path: Path) -> dict[str, np.ndarray]:
    """`frame` (rows, columns, 3) uint8, `samples` (T,) int16, `raw` (2,) str: the sha256 sums."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in ("frame", "samples", "raw")}


def _verified(task: Task, kind: str) -> bytes:
    """The content of a raw file; DataError if it is a stub or not the official file."""
    if kind not in task.files:
        raise DataError(f"{KINDS[kind]}/{task.clip}.{kind} is missing")
    path = task.files[kind]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if pointer_in(content):
        raise DataError(f"{path} is a git-lfs pointer; type {PULL} in its clone")
    pointer, size = task.pointers.get(kind), len(content)
    if pointer and size != pointer.bytes:
        raise DataError(f"{path} has {size} bytes, the official file {pointer.bytes}")
    if pointer and hashlib.sha256(content).hexdigest() != pointer.sha256:
        raise DataError(f"{path} is not the official file: its sha256 differs")
    if kind == "flv" and not pointer and (missing := missing_bytes(content)):
        raise DataError(f"{path}: truncated, {missing} bytes are missing at its end")
    return content


def _converted(task: Task, content: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    samples = parse_wav(content["wav"], RATE_HZ, str(task.files["wav"]))
    if len(samples) < RATE_HZ:
        found = f"{len(samples) / RATE_HZ:.2f} s of sound"
        raise DataError(f"{task.files['wav']}: {found}; three copies of it must fill 3 s")
    picture, _ = read_frame(content["flv"], str(task.files["flv"]))
    rows, columns = task.size
    small = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
    return {"frame": np.asarray(small), "samples": samples[:KEPT_SAMPLES]}


def _is_done(task: Task, sha256: Mapping[str, str]) -> bool:
    try:
        stored = read_result(task.result)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return False  # nothing there, or cut short when the machine stopped
    same_size = stored["frame"].shape[:2] == task.size
    return same_size and stored["raw"].tolist() == [sha256[kind] for kind in KINDS]


def _save(path: Path, **arrays: np.ndarray) -> None:
    write_atomic(path, lambda stream: np.savez(stream, **arrays))
