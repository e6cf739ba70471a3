"""Folders and files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from datasets.errors import DataError
from datasets.store.manifest import FILE
from datasets.store.system import is_litter, is_unlocked, kernel, lock, sync, sync_folder

WORK_SUFFIX = ".work"
"""Ends the name of a folder from which an interrupted preparation goes on."""

_OWNER, _RETIRED = ".owner", ".old"
_JUST_MADE_SECONDS, _DAY_SECONDS = 1, 24 * 3600


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a temporary file beside `path`, syncs it to the disk and renames it.

    Raises OSError, with the temporary file removed, when the disk is full or read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with synced(temporary) as stream:
            write(stream)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def synced(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is on the disk when the block ends."""
    with path.open("wb") as stream:
        yield stream
        stream.flush()
        sync(stream.fileno())


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty sibling folder, which takes the place of `folder` if the block succeeds.

    Any failure removes the sibling and leaves `folder` as it was. An OSError becomes a DataError;
    so does a folder with files that no preparation wrote, so that they are not lost.
    """
    check_target(folder)
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        partial.chmod(0o755)  # mkdtemp's 0o700 would hide shared data from colleagues
        with _held(partial):
            yield partial
            sync_folder(partial)
            _swap(partial, folder)
        (folder / _OWNER).unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"cannot write {folder}: {reason}; choose another place or free some space"
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _swap(partial: Path, folder: Path) -> None:
    """Moves `partial` to `folder` and removes what was there."""
    retired = partial.with_name(f"{partial.name}{_RETIRED}")
    if folder.exists():
        folder.rename(retired)
    try:
        partial.rename(folder)
    except OSError:
        if retired.exists():
            retired.rename(folder)
        raise
    shutil.rmtree(retired, ignore_errors=True)
    sync_folder(folder.parent)


def check_target(folder: Path) -> None:
    """Raises DataError if prepared data could not take the place of `folder`.

    Asked before the work begins: the folder may hold files that no preparation wrote, apart from
    what systems leave everywhere, or may lie where nothing can be written.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise DataError(f"{there} is a file; prepared data needs a folder of its own")
    if not os.access(there if there != folder else folder.parent, os.W_OK | os.X_OK):
        raise DataError(
            f"cannot write {folder}: {os.strerror(errno.EACCES)}; choose another place with "
            "MSAM_DATA_DIR, or give yourself the right to write there"
        )
    if there != folder:
        return
    own = (FILE, _OWNER)
    names = sorted(path.name for path in folder.iterdir() if not is_litter(path.name))
    if foreign := [name for name in names if name not in own and not name.endswith(".npy")]:
        raise DataError(
            f"{folder} holds other files ({foreign[0]}, ...); "
            "choose a folder for prepared data only"
        )


def remove_leftovers(folder: Path) -> list[str]:
    """Removes what killed preparations of `folder` left beside it; says what, a line each.

    A killed process holds no lock any more. What another machine may still be writing is left
    until it is a day old, and said, too.
    """
    lines = []
    for path in sorted(folder.parent.glob(f".{folder.name}.*")):
        if path.name.endswith(WORK_SUFFIX) or not path.is_dir():
            continue
        if not _is_abandoned(path.with_name(path.name.removesuffix(_RETIRED))):
            lines.append(f"left alone: {path}, which another process may be writing")
        elif path.name.endswith(_RETIRED) and not folder.exists():
            path.rename(folder)
            lines.append(f"put back: {folder}, which a killed preparation had moved away")
        else:
            size_mb = sum(file.stat().st_size for file in path.iterdir()) / 1e6
            shutil.rmtree(path, ignore_errors=True)
            lines.append(f"removed: {path}, {size_mb:.1f} MB that a killed preparation left")
    return lines


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Says in a file which machine is writing into the folder, and locks it meanwhile."""
    with (folder / _OWNER).open("w", encoding="utf-8") as stream:
        stream.write(kernel())
        stream.flush()
        lock(stream)
        yield


def _is_abandoned(folder: Path) -> bool:
    owner = folder / _OWNER
    try:
        if owner.read_text(encoding="utf-8") == kernel():
            return is_unlocked(owner)
        return time.time() - owner.stat().st_mtime > _DAY_SECONDS
    except FileNotFoundError:  # of an older version, or the folder itself is gone
        return not folder.exists() or time.time() - folder.stat().st_mtime > _JUST_MADE_SECONDS
    except OSError:
        return False
