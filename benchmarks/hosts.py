"""This machine and its processes: who wrote a file, and does that process still live?"""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Eight hex digits that are the same only for processes that see each other's process ids.

    Containers may share a host's name, and a restarted host gives old process ids to others.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    parts = [socket.gethostname(), boot.read_text() if boot.exists() else ""]
    namespace = Path("/proc/self/ns/pid")
    parts.append(os.readlink(namespace) if namespace.exists() else "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def process_start(pid: int) -> str:
    """When process `pid` of this machine started, for telling it from a later one with its id.

    Empty if there is none. A killed process that its parent has not asked after is none.
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
