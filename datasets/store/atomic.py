"""Folders and files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from datasets.errors import DataError
from datasets.store.manifest import FILE


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
        os.fsync(stream.fileno())


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yields an empty sibling folder, which takes the place of `folder` if the block succeeds.

    Any failure removes the sibling and leaves `folder` as it was. An OSError becomes a DataError;
    so does a folder with files that no preparation wrote, so that they are not lost.
    """
    _refuse_foreign_files(folder)
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        partial.chmod(0o755)  # mkdtemp's 0o700 would hide shared data from colleagues
        yield partial
        _sync_folder(partial)
        _swap(partial, folder)
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
    retired = partial.with_name(f"{partial.name}.old")
    if folder.exists():
        folder.rename(retired)
    try:
        partial.rename(folder)
    except OSError:
        if retired.exists():
            retired.rename(folder)
        raise
    shutil.rmtree(retired, ignore_errors=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_foreign_files(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; prepared data needs a folder of its own")
    foreign = [p.name for p in folder.iterdir() if p.name != FILE and p.suffix != ".npy"]
    if foreign:
        raise DataError(
            f"{folder} holds other files ({sorted(foreign)[0]}, ...); "
            "choose a folder for prepared data only"
        )
