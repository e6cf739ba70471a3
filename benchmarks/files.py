"""Atomic files: after a crash there is the old content or the new, never half of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_atomic(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Lets `write` fill a temporary file beside `path`, syncs it to disk and renames it.

    Raises OSError that names `path`, with the temporary file removed, when the folder is
    read-only or full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:  # that of a full disk names no file
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes readable JSON atomically; NaN and infinities are refused with ValueError."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomic(path, lambda file: file.write(text.encode()))


def check_writable(folder: Path) -> None:
    """Raises OSError if nothing can be written below `folder`, which is made if missing."""
    probe = folder / f".writable.{os.getpid()}"
    write_text(probe, "")
    probe.unlink()
