"""When to stop: after a signal, at a deadline, or when the parent process is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# submitit makes Slurm send SIGUSR2 to all processes of a job before its time is up.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
EXIT_BROKEN_DEVICE = 76  # of a process of a pool: its run is recorded, another takes the rest


class Stop:
    """Asked after every step whether to stop. The step under way is finished, no other is begun.

    `deadline` is a time of `time.monotonic`, which a change of the clock does not move and which
    all processes of a machine share. `parent` is the id of the process that started this one: when
    it is gone, this one stops.
    """

    def __init__(self, deadline: float | None = None, parent: int | None = None) -> None:
        self.deadline, self.parent = deadline, parent
        self.reason = ""
        self._asked, self._longest = time.monotonic(), 0.0

    def wanted(self) -> bool:
        """Whether to stop now.

        Stops before the deadline by the longest time between two calls so far: that of a step, of
        an evaluation with its checkpoint, or of loading a dataset.
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
        """Inside, SIGINT, SIGTERM and SIGUSR2 ask to stop, and a second one ends the process at
        once. Not if it has a parent: that one may pass on what Slurm has sent to both."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # A parent passes every signal on as SIGTERM, and itself reports which one it got.
        self.reason = signal.Signals(number).name if self.parent is None else "asked to stop"
        for each in SIGNALS if self.parent is None else ():
            signal.signal(each, signal.SIG_DFL)
