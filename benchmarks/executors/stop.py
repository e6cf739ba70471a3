"""When to stop: a signal, the time that was given, or a parent process that is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGUSR2 is what submitit has Slurm send before a job's time is up, to all its processes.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
EXIT_ERROR = 2
EXIT_UNFINISHED = 75  # EX_TEMPFAIL: batch systems take it for "start me again"


class Stop:
    """Asked after every step. The steps under way are finished, then nothing more is begun.

    `deadline` is a time of `time.monotonic`, which no change of the clock moves and which all
    processes of a machine share; `parent` a process id that must stay this process's parent.
    """

    def __init__(self, deadline: float | None = None, parent: int | None = None) -> None:
        self.deadline, self.parent = deadline, parent
        self.reason = ""
        self._asked, self._longest = time.monotonic(), 0.0

    def wanted(self) -> bool:
        """Whether to stop now.

        Before a deadline there must be time for what took longest between two questions so far:
        a step, an evaluation with its checkpoint, or loading a dataset.
        """
        now = time.monotonic()
        self._longest = max(self._longest, now - self._asked)
        self._asked = now
        if self.parent is not None and os.getppid() != self.parent:
            self.reason = self.reason or "the process that started it is gone"
        if self.deadline is not None and now + self._longest > self.deadline:
            self.reason = self.reason or "the time given by --max-hours is used up"
        return bool(self.reason)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT, SIGTERM and SIGUSR2 as the wish to stop; the second one ends the process at
        once, unless it has a parent, which may pass on what Slurm has sent to both."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A parent passes on what it got as SIGTERM, and itself says what that was.
        self.reason = signal.Signals(number).name if self.parent is None else "asked to stop"
        for each in SIGNALS if self.parent is None else ():
            signal.signal(each, signal.SIG_DFL)
