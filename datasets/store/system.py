"""Where operating systems differ: files they leave in folders, cores, syncing to the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from pathlib import Path
from typing import IO

# Left by macOS, by Windows, by network file systems, by file managers and notebooks.
_SYSTEM = re.compile(
    r"""
    \._.* | \.DS_Store | \.localized | \.AppleDouble | \.apdisk | __MACOSX | Icon\r
    | \.Trash(es|-.*)? | \.Spotlight-V100 | \.fseventsd | \.TemporaryItems
    | (eh)?thumbs\.db | desktop\.ini | \$RECYCLE\.BIN | System\ Volume\ Information
    | .*:Zone\.Identifier
    | \.nfs[0-9a-f]+ | \.fuse_hidden.* | \.snapshots? | lost\+found | @eaDir
    | \.directory | \.ipynb_checkpoints | __pycache__
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What editors keep beside a file.
_BACKUP = re.compile(r"\.\#.* | \#.*\# | .*~ | \..*\.sw[a-p]", re.VERBOSE)
# `a (1).json`, `a(1).json`, `a copy.json`, `a copy 2.json`, `a - Copy (2).json`, `Copy of a.json`.
_COPY = re.compile(
    r"(?:Copy\ of\ )?(?P<stem>.+?)(?:\ copy(?:\ \d+)?|\ -\ Copy)?(?:\ ?\(\d{1,2}\))?"
    r"(?P<suffix>(?:\.[A-Za-z]\w*)*)",
    re.VERBOSE | re.DOTALL,
)


def is_system_litter(name: str) -> bool:
    """Whether a system or an editor left a file or folder of this name, and no person."""
    return bool(_SYSTEM.fullmatch(name) or _BACKUP.fullmatch(name))


def original_name(name: str) -> str:
    """The name of the file that this one is a copy of by its name, such as `a (1).json`."""
    found = _COPY.fullmatch(name)
    return found["stem"] + found["suffix"] if found else name


def is_litter(name: str) -> bool:
    """Whether a file is nothing of ours: system litter, or a second copy of another file."""
    return is_system_litter(name) or original_name(name) != name


def listed(folder: Path, pattern: str) -> list[Path]:
    """The files and folders that match the pattern, sorted, without litter."""
    return sorted(path for path in folder.glob(pattern) if not is_litter(path.name))


def core_count() -> int:
    """The cores that this process may use; all of them where the system does not tell."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # Linux alone has it
        return os.cpu_count() or 1


_NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


def sync(descriptor: int) -> None:
    """Waits until the file is on the disk, where its file system can tell.

    Raises OSError if it could not be written: some network disks say only now that they are full.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system opens folders
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def kernel() -> str:
    """What is the same for all processes, of all containers, that see each other's locks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return socket.gethostname()


def lock(stream: IO) -> None:
    """Locks an open file until it is closed or the process ends, however it ends.

    Where the file system knows no locks, nothing happens.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return


def is_unlocked(path: Path) -> bool:
    """Whether no process of this machine has locked the file. Raises OSError if that is unknown."""
    with path.open("r+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
