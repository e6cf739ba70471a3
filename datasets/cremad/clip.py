"""One clip: its raw files -> waveform and frame, kept in a small file of their own.

Runs in worker processes, which need numpy, av and PIL only.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.cremad.raw import Pointer, pointer_in
from datasets.cremad.spec import CLIPS, KINDS, PULL
from datasets.errors import DataError
from datasets.raw.content import START_BYTES, check_start, unreadable
from datasets.raw.find import first_good
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
    """What to convert: all files and, where known, official pointers by kind; `size` (rows,
    columns) of the kept frame; `folder` takes the result."""

    clip: str
    files: Mapping[str, Sequence[Path]]
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
        files = {kind: _verified(task, kind) for kind in KINDS}
        content = {kind: file.content for kind, file in files.items()}
        sha256 = {kind: hashlib.sha256(data).hexdigest() for kind, data in content.items()}
        result = None if _is_done(task, sha256) else _converted(task, files)
    except DataError as error:
        return Outcome(task.clip, str(error), {}, {})
    if result is not None:
        _save(task.result, **result, raw=np.array([sha256[kind] for kind in KINDS]))
    return Outcome(task.clip, None, sha256, {kind: len(data) for kind, data in content.items()})


def read_result(path: Path) -> dict[str, np.ndarray]:
    """`frame` (rows, columns, 3) uint8, `samples` (T,) int16, `raw` (2,) str: the sha256 sums."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in ("frame", "samples", "raw")}


@dataclass(frozen=True)
class _File:
    """A raw file of one clip and what is in it."""

    path: Path
    content: bytes


def _verified(task: Task, kind: str) -> _File:
    """The first right file of the clip; DataError if there is none."""
    candidates = task.files.get(kind, ())
    if not candidates:
        raise DataError(f"{KINDS[kind]}/{task.clip}.{kind} is missing")
    pointer = task.pointers.get(kind)

    def read(path: Path) -> _File:
        file = _File(path, _content(path, kind, pointer))
        if pointer is None and len(candidates) > 1:  # only decoding tells which one is whole
            _decoded(file, kind)
        return file

    return first_good(f"{task.clip}.{kind}", candidates, read)


def _content(path: Path, kind: str, pointer: Pointer | None) -> bytes:
    """The content of a raw file; DataError if it is something else or not the official file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if pointer_in(content):
        raise DataError(
            f"{path} is a git-lfs pointer; type {PULL} in its clone, or clone {CLIPS.urls[1]} if "
            "the git-lfs budget of the original is used up"
        )
    check_start(content[:START_BYTES], str(path))
    if pointer and len(content) != pointer.bytes:
        raise DataError(
            f"{path} has {len(content)} bytes, the official file {pointer.bytes}; fetch it again"
        )
    if pointer and hashlib.sha256(content).hexdigest() != pointer.sha256:
        raise DataError(f"{path} is not the official file: its sha256 differs; fetch it again")
    if kind == "flv" and not pointer and (missing := missing_bytes(content)):
        raise DataError(
            f"{path}: truncated, {missing} bytes are missing at its end; fetch it again"
        )
    return content


def _decoded(file: _File, kind: str) -> np.ndarray:
    """The samples (T,) of a wav file, or the picture (H, W, 3) of a flv file."""
    where = str(file.path)
    if kind == "flv":
        return read_frame(file.content, where)[0]
    samples = parse_wav(file.content, RATE_HZ, where)
    if len(samples) < RATE_HZ:
        found = f"{len(samples) / RATE_HZ:.2f} s of sound"
        raise DataError(
            f"{where}: {found}; at least 1 s is needed, as a clip is repeated to fill 3 s"
        )
    return samples


def _converted(task: Task, files: Mapping[str, _File]) -> dict[str, np.ndarray]:
    samples, picture = (_decoded(files[kind], kind) for kind in ("wav", "flv"))
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
    write_atomic(path, lambda stream: np.savez(stream, **arrays))  # type: ignore[arg-type]
