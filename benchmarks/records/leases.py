"""Leases: which process trains which run, so that sweeps sharing a folder never train one twice.

A lease is a file made by hard link, which is exclusive on network file systems too. A process that
takes over from a dead one adds a file of the next generation and deletes no other: of two that try,
one fails. No decision needs two machines whose clocks agree.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.records.files import machine, process_start, write_json
from datasets.store.system import listed

HEARTBEAT_SECONDS = 15
EXPIRY_SECONDS = 90  # longer than network file systems keep a file's times in their caches


class Leases:
    """The leases in one folder, and what was seen of other machines' heartbeats."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[Path, tuple[int, float, bool]] = {}

    def take(self, run_id: str, progress: str, limit: int | None = None) -> Lease | None:
        """The lease of a run; None if another process holds it or `limit` attempts were made.

        `progress` names the run's checkpoint. Raises OSError if the folder cannot be written.
        """
        last, owner = self._last(run_id)
        if owner and self.state(run_id) != "dead":
            return None
        failed = owner.attempts if owner and owner.progress == progress else 0
        if limit is not None and failed >= limit:
            return None
        path = _later_file(last, 1) if last else self.folder / f"{run_id}.0.json"
        mine = Owner.this_process(failed + 1, progress)
        if not _create(path, mine):
            return None
        if last and not last.exists():  # released in between: the run may be done by now
            path.unlink(missing_ok=True)
            return None
        return Lease(path, mine)

    def state(self, run_id: str) -> str:
        """Whether the owner is `alive`, `dead` or `unknown` (not watched long enough); or `free`.

        Processes of this machine are looked up; on other machines the file's time must change.
        """
        path, owner = self._last(run_id)
        if path is None or owner is None:
            return "free"
        if owner.machine == machine():
            alive = owner.start and process_start(owner.pid) == owner.start
            return "alive" if alive else "dead"
        if not owner.start:
            return "dead"
        return self._watched(path)

    def owner(self, run_id: str) -> Owner | None:
        """The last process that took the run, dead or alive; None if there was none."""
        return self._last(run_id)[1]

    def seconds_silent(self, run_id: str) -> float:
        """Seconds since the owner's last heartbeat by this machine's clock, for people to read."""
        path, _ = self._last(run_id)
        try:
            return max(0.0, time.time() - path.stat().st_mtime) if path else 0.0
        except FileNotFoundError:
            return 0.0

    def _watched(self, path: Path) -> str:
        try:
            beat = path.stat().st_mtime_ns
        except FileNotFoundError:
            return "free"
        now = time.monotonic()
        before, since, changed = self._seen.get(path, (beat, now, False))
        if before != beat:
            since, changed = now, True
        self._seen[path] = (beat, since, changed)
        if now - since > EXPIRY_SECONDS:
            return "dead"
        return "alive" if changed else "unknown"

    def _last(self, run_id: str) -> tuple[Path | None, Owner | None]:
        """The newest lease file of a run and its content."""
        found = listed(self.folder, f"{run_id}.*.json")
        paths = sorted((path for path in found if _is_lease(path)), key=_generation)
        for path in reversed(paths):
            try:
                return path, Owner(**json.loads(path.read_text()))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError):  # emptied when the machine went down
                return path, Owner("?", machine(), 0, "", 0, "")
        return None, None


def _create(path: Path, owner: Owner) -> bool:
    """Makes the whole file at once; False, and nothing is made, if there is one already."""
    draft = path.with_name(f".{path.name}.{machine()}.{os.getpid()}.tmp")
    write_json(draft, asdict(owner))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _create_exclusively(path, draft.read_text())
    finally:
        draft.unlink()
    return True


def _create_exclusively(path: Path, text: str) -> bool:
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


class LeaseLost(Exception):
    """Another machine took the run over, because this process gave no heartbeat for too long."""


@dataclass(frozen=True)
class Owner:
    """Who holds a run. `attempts` counts the processes that died on it since its last checkpoint.

    `progress` names the checkpoint that the owner began with.
    """

    host: str
    machine: str
    pid: int
    start: str
    attempts: int
    progress: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @classmethod
    def this_process(cls, attempts: int, progress: str) -> Owner:
        pid = os.getpid()
        start = process_start(pid)
        return cls(socket.gethostname(), machine(), pid, start, attempts, progress)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass
class Lease:
    """A run held by this process. A thread renews the file's time until `release`."""

    path: Path
    owner: Owner
    lost: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self.lost = _later_file(self.path, 1).exists()
                os.utime(self.path)
            except FileNotFoundError:
                self.lost = not self._ended.is_set()
            except OSError:  # a network file system may be away for a while
                continue

    def check(self) -> None:
        """Raises LeaseLost if another process has taken over."""
        if self.lost:
            raise LeaseLost(f"{self.path.name} was taken over")

    def release(self) -> None:
        """Gives the run back. Deletes the files of earlier owners too, oldest first: with a gap
        between generations, two processes could take the run."""
        if self._ended.is_set():
            return
        self._ended.set()
        for later in range(-_generation(self.path), 1):
            _later_file(self.path, later).unlink(missing_ok=True)

    def abandon(self, attempts: int) -> None:
        """Gives the run up as if `attempts` processes had died on it: `take` counts them."""
        self._ended.set()
        write_json(self.path, {**asdict(self.owner), "start": "", "attempts": attempts})


def _is_lease(path: Path) -> bool:
    """Whether the file is named as a lease is; copies made by a file manager are not."""
    return path.name.split(".")[-2].isdecimal()


def _generation(path: Path) -> int:
    """How many owners of the run died before the owner of this file."""
    return int(path.name.split(".")[-2])


def _later_file(path: Path, later: int) -> Path:
    """The lease file some generations later."""
    run_id, number, _ = path.name.rsplit(".", 2)
    return path.with_name(f"{run_id}.{int(number) + later}.json")
