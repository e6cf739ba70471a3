"""What the files of a CREMA-D clone are, also where only their git-lfs pointers were fetched.

A pointer states size and sha256 of the real file, so a clone of some megabytes tells which of
three gigabytes of files are equal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from datasets.cremad_lists import Pointer, Pointers
from datasets.errors import DataError

POINTER_BYTES = 1024
"""A pointer is shorter (git-lfs, docs/spec.md)."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:\S+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)


def pointer_in(content: bytes) -> Pointer | None:
    """What a pointer file with this content stands for, or None if it is no pointer."""
    match = _POINTER.fullmatch(content) if len(content) < POINTER_BYTES else None
    return Pointer(int(match[2]), match[1].decode()) if match else None


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer and not what it points to."""
    return path.stat().st_size < POINTER_BYTES and pointer_in(path.read_bytes()) is not None


def pointers_of(files: Mapping[tuple[str, str], Path]) -> Pointers:
    """Size and sha256 of each file, from its pointer or measured; raises DataError."""
    return {key: _pointer_to(path) for key, path in files.items()}


def _pointer_to(path: Path) -> Pointer:
    try:
        with path.open("rb") as stream:
            pointer = pointer_in(stream.read(POINTER_BYTES))
            if pointer:
                return pointer
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Pointer(stream.tell(), digest)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
