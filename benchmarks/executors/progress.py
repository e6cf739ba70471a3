"""How far a sweep is: one bar on a terminal, lines elsewhere, and every epoch in a log."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plan.experiment import Experiment
from benchmarks.records.status import Sweep
from benchmarks.training.context import Reporter
from datasets.errors import counted

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch import Tensor

FIRST_SECONDS = 15  # between the first two lines; later a twentieth of the time that has passed
_LOOK_SECONDS = 1.0  # between two looks at which runs have ended


_TOLD = "\x1e"  # begins a line with what `Reporter.progress` gets; every other line is text


def as_line(run_id: str, epochs: int, line: str) -> str:
    """What `Reporter.progress` gets, as a line for another process."""
    return _TOLD + json.dumps([run_id, epochs, line])


def relay(line: str, reporter: Reporter) -> None:
    """Reports what another process wrote: a line of `as_line`, or text."""
    if line.startswith(_TOLD):
        reporter.tell(*json.loads(line.removeprefix(_TOLD)))
    else:
        reporter.say(line)


@dataclass
class Pace:
    """Seconds and number of the epochs seen so far, by dataset and method."""

    seen: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, experiment: Experiment, seconds: float, epochs: int) -> None:
        """Notes that some epochs of a run took so long together."""
        total = self.seen.setdefault((experiment.dataset, experiment.method), [0.0, 0.0])
        total[0] += seconds
        total[1] += epochs

    def of_epoch(self, experiment: Experiment) -> float | None:
        """The mean seconds of an epoch: of the same method and dataset, else of the dataset, else
        of all; None if no epoch has ended."""
        same = (experiment.dataset, experiment.method)
        for fits in (
            lambda key: key == same,
            lambda key: key[0] == same[0],
            lambda key: True,
        ):
            totals = [total for key, total in self.seen.items() if fits(key)]
            if epochs := sum(total[1] for total in totals):
                return sum(total[0] for total in totals) / epochs
        return None

    @property
    def seconds(self) -> float:
        """The time of all epochs together; runs side by side count each."""
        return sum(total[0] for total in self.seen.values())


class Monitor:
    """Follows the runs of a sweep, in this process or in those of a pool, and shows how far it is.

    `say` prints a line. Lines about epochs go to the file `log` (None: nowhere), and are said only
    if `verbose`. Threads may report at the same time.
    """

    def __init__(
        self,
        sweep: Sweep,
        say: Callable[[str], None],
        log: Path | None = None,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sweep, self._out, self._log, self.verbose = sweep, say, log, verbose
        self._clock, self._lock = clock, threading.RLock()
        self._planned = {e.run_id: e for e in sweep.experiments}
        self._left = dict.fromkeys(self._planned)
        self._epochs: dict[str, int] = {}  # done, of the runs that have begun
        self._last: dict[str, float] = {}  # when a run was last heard of
        self._part = 0.0  # of the epoch under way, where its steps can be counted
        self._pace = Pace()
        self._started: float | None = None
        self._looked = self._told = -math.inf
        self._bar: Progress | None = None

    def __enter__(self) -> Monitor:
        self._write(f"--- {datetime.now():%Y-%m-%d %H:%M:%S}  {counted(len(self._planned), 'run')}")
        if self._log and not self.verbose:
            self._out(f"every epoch is in {self._log}; --verbose shows them here too")
        if sys.stderr.isatty():
            self._bar = _bar(sum(e.epochs for e in self._planned.values()))
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
        self._look(now=True)
        if len(self._planned) > 1:
            self._out(self.text())

    @property
    def reporter(self) -> Reporter:
        """What runs in this process report to."""
        if self._bar:
            return Reporter(self.say, self._track, progress=self.progress)
        return Reporter(self.say, progress=self.progress)

    def say(self, text: str) -> None:
        """Prints a line, also into the log."""
        self._write(text)
        self._out(text)

    def progress(self, run_id: str, epochs: int, line: str) -> None:
        """Notes that a run has begun (0 epochs) or has ended so many; `line` says it in words."""
        self._write(line)
        if self.verbose:
            self._out(line)
        with self._lock:
            now = self._clock()
            self._started = now if self._started is None else self._started
            before, heard = self._epochs.get(run_id), self._last.get(run_id, now)
            if epochs and before is not None:
                # A run that goes on from a checkpoint begins with 0, and then tells a later epoch.
                self._pace.add(self._planned[run_id], now - heard, 1)
            self._last.pop(run_id, None)  # moves it to the end: the last one reported last
            self._epochs[run_id], self._last[run_id], self._part = epochs, now, 0.0
            self._look()
            self._show()

    def text(self) -> str:
        """Such as `12/36 done, 4 min left, now: msam on avmnist, seed 1`."""
        done = f"{len(self._planned) - len(self._left)}/{len(self._planned)} done"
        if not self._left:
            return done
        left = time_words(self._seconds_left())
        current = [run_id for run_id in self._last if run_id in self._left]
        if not current:
            return f"{done}, {left}"
        more = f" and {len(current) - 1} more" * (len(current) > 1)
        return f"{done}, {left}, now: {_described(self._planned[current[-1]])}{more}"

    def _seconds_left(self) -> float | None:
        """As long as runs like those that are left took; None before the first epoch has ended."""
        elapsed = self._elapsed()
        if not (self._pace.seconds and elapsed):
            return None
        total = 0.0
        for run_id in self._left:
            experiment = self._planned[run_id]
            seconds = self._pace.of_epoch(experiment)
            if seconds is None:
                return None
            total += (experiment.epochs - self._epochs.get(run_id, 0)) * seconds
        side_by_side = max(1.0, self._pace.seconds / elapsed)
        return total / side_by_side

    def _elapsed(self) -> float:
        """Seconds since the first run began; 0 before."""
        return 0.0 if self._started is None else self._clock() - self._started

    def _look(self, now: bool = False) -> None:
        """Looks, once in a while, which runs have ended: here, in another process, or elsewhere."""
        if now or self._clock() - self._looked >= _LOOK_SECONDS:
            self._looked = self._clock()
            self._left = dict.fromkeys(e.run_id for e in self.sweep.left())

    def _show(self) -> None:
        if self._bar:
            done = sum(self._done(each) for each in self._planned.values())
            (task,) = self._bar.task_ids
            self._bar.update(task, completed=done + self._part, description=self.text())
            return
        if self._clock() - self._told >= max(FIRST_SECONDS, self._elapsed() / 20):
            self._told = self._clock()
            self._out(self.text())

    def _done(self, experiment: Experiment) -> int:
        run_id = experiment.run_id
        return self._epochs.get(run_id, 0) if run_id in self._left else experiment.epochs

    def _track(self, batches: Tensor, title: str) -> Iterable[Tensor]:
        """The batches of an epoch, which move the bar."""

        def each() -> Iterator[Tensor]:
            for number, batch in enumerate(batches):
                yield batch
                with self._lock:
                    self._part = (number + 1) / len(batches)
                    self._show()

        return each()

    def _write(self, line: str) -> None:
        if self._log is None:
            return
        with self._lock, suppress(OSError):  # a full disk ends the run at its record, with a reason
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def time_words(seconds: float | None) -> str:
    """The time that is left, rounded up: never none while there is work."""
    if seconds is None:
        return "time left not known yet"
    minutes = max(1, math.ceil(seconds / 60))
    if minutes == 1:
        return "less than a minute left" if seconds < 60 else "1 min left"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min left" if hours else f"{minutes} min left"


def _described(experiment: Experiment) -> str:
    """Method, dataset and seed in words."""
    alone = f" ({', '.join(experiment.modalities)})" if experiment.modalities else ""
    return f"{experiment.method}{alone} on {experiment.dataset}, seed {experiment.seed}"


def _bar(epochs: int) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = BarColumn(bar_width=12), TextColumn("{task.description}")
    # Lines for the terminal appear above the bar; those for a file go there.
    above = sys.stdout.isatty()
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, refresh_per_second=4, redirect_stdout=above)
    bar.add_task("starting", total=epochs)
    return bar
