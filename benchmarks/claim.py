"""One run held by one process, and the file that says so."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.files import write_json
from benchmarks.hosts import machine, process_start

BEAT_SECONDS = 15


class ClaimLost(Exception):
    """Another machine took the run over, because this process had stood still too long."""


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
class Claim:
    """A run held by this process; its file's time is renewed until `release`."""

    path: Path
    owner: Owner
    lost: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                self.lost = later_file(self.path, 1).exists()
                os.utime(self.path)
            except FileNotFoundError:
                self.lost = not self._ended.is_set()
            except OSError:  # a network file system may be away for a while
                continue

    def confirm(self) -> None:
        """Raises ClaimLost if another process has taken over."""
        if self.lost:
            raise ClaimLost(f"{self.path.name} was taken over")

    def release(self) -> None:
        """Gives the run back, with what earlier owners left; oldest first, so that no gap opens."""
        if self._ended.is_set():
            return
        self._ended.set()
        for later in range(-generation(self.path), 1):
            later_file(self.path, later).unlink(missing_ok=True)

    def leave(self, attempts: int) -> None:
        """Ends as if `attempts` processes had died on the run: who may take it is up to them."""
        self._ended.set()
        write_json(self.path, {**asdict(self.owner), "start": "", "attempts": attempts})


def is_claim(path: Path) -> bool:
    """Whether the file is named as a claim: others, such as copies, are nobody's."""
    return path.name.split(".")[-2].isdecimal()


def generation(path: Path) -> int:
    """How many owners of the run died before the one of this file."""
    return int(path.name.split(".")[-2])


def later_file(path: Path, later: int) -> Path:
    """The claim file some generations later."""
    run_id, number, _ = path.name.rsplit(".", 2)
    return path.with_name(f"{run_id}.{int(number) + later}.json")
