"""Atomic files: after a crash a file holds the old content or the new, never half of it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from datasets.store.atomic import synced
from datasets.store.system import kernel

_TEMPORARY = re.compile(r"\.([0-9a-f]{8})\.(\d+)\.tmp$")  # machine and process
_DAY_SECONDS = 24 * 3600


class Unwritable(OSError):
    """A results file could not be written: the disk is full or read-only."""


def write_bytes(path: Path, *chunks: bytes) -> None:
    """Writes the chunks into a temporary file beside `path`, syncs it to disk and renames it.

    When the folder is read-only or full, raises Unwritable that names `path`, and removes the
    temporary file.
    """
    temporary = path.with_name(f".{path.name}.{machine()}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with synced(temporary) as file:
            file.writelines(chunks)
        temporary.replace(path)
    except OSError as error:  # the one of a full disk does not name the file
        raise Unwritable(error.errno, f"cannot write: {error.strerror}", str(path)) from error
    finally:
        _remove(temporary)


def write_json(path: Path, content: Any) -> None:
    """Writes readable JSON atomically; NaN and infinities are refused with ValueError."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_bytes(path, text.encode())


def check_writable(folder: Path) -> None:
    """Raises Unwritable if nothing can be written below `folder`, which is made if missing."""
    probe = folder / f".writable.{machine()}.{os.getpid()}"
    write_text(probe, "")
    probe.unlink()


def set_aside(path: Path) -> Path:
    """Renames a damaged file or folder to `<name>.damaged`, or the first free one of
    `<name>.damaged2`, ..., and returns the new path."""
    names = (f"{path.name}.damaged{number if number > 1 else ''}" for number in count(1))
    aside = next(path.with_name(name) for name in names if not path.with_name(name).exists())
    path.replace(aside)
    return aside


def remove_temporaries(root: Path) -> None:
    """Deletes temporary files of dead processes of this machine, and those that are a day old."""
    for path in root.glob("*/.*.tmp"):
        if (found := _TEMPORARY.search(path.name)) and _is_abandoned(path, *found.groups()):
            path.unlink(missing_ok=True)


def _is_abandoned(path: Path, host: str, pid: str) -> bool:
    if host == machine():
        return not process_start(int(pid))
    try:
        return time.time() - path.stat().st_mtime > _DAY_SECONDS
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    """Deletes a file if it exists. An error here must not hide the one that led here."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """The lines as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


@cache
def machine() -> str:
    """Eight hex digits that are the same only for processes that see each other's process ids.

    Containers may share a host's name, and a restarted host gives old process ids to others.
    """
    parts = [socket.gethostname(), kernel()]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:  # Linux alone has it
        parts.append("")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def process_start(pid: int) -> str:
    """When process `pid` of this machine started: tells it from a later process with the same id.

    Empty if no such process runs; one that was killed and not yet waited for does not run.
    """
    if not Path("/proc/self/stat").exists():
        return "unknown" if _takes_signals(pid) else ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else start


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
