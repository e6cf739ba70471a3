"""What a run needs besides its experiment and data. None of it changes a number."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.records.folders import Folders

if TYPE_CHECKING:  # the command line reads this file, and importing torch takes seconds
    import torch
    from torch import Tensor

Capture = Literal["auto", "off"]


class Stopped(Exception):
    """The run was asked to stop; the text says at which step."""


def _without_bar(batches: Tensor, title: str) -> Iterable[Tensor]:
    return batches


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Reporter:
    """How a run reports: `say` gets lines of text.

    `track(batches, title)` wraps an epoch's batches, for example in a progress bar. After every
    step `stop` is asked whether to stop. `progress` gets a run's name, how many of its epochs have
    ended (0: it begins), and a line about that; without it, `say` gets the line.
    """

    say: Callable[[str], None]
    track: Callable[[Tensor, str], Iterable[Tensor]] = _without_bar
    stop: Callable[[], bool] = _never
    progress: Callable[[str, int, str], None] | None = None

    def tell(self, run_id: str, epochs: int, line: str) -> None:
        """Reports that a run has begun or has ended an epoch."""
        if self.progress is None:
            self.say(line)
        else:
            self.progress(run_id, epochs, line)

    @classmethod
    def with_bars(cls, say: Callable[[str], None]) -> Reporter:
        """On a terminal, a bar per epoch with the time left, lines above it; elsewhere lines."""
        if not sys.stderr.isatty():
            return cls(say)
        from tqdm import tqdm

        def track(batches: Tensor, title: str) -> Iterable[Tensor]:
            return tqdm(batches, desc=title, leave=False, unit="step", dynamic_ncols=True)

        return cls(tqdm.write, track)


@dataclass(frozen=True)
class RunSettings:
    """How the command line wants runs to be executed.

    `device`: as typed; None means a CUDA device if there is one. `jobs`: runs side by side.
    `keep_weights`: save the last epoch's weights of runs that end well. `capture`: `auto` replays
    steps as CUDA graphs where method and device allow. `deterministic`: refuse operations whose
    bits depend on chance.
    """

    device: str | None = None
    jobs: int = 1
    keep_weights: bool = False
    capture: Capture = "off"
    deterministic: bool = False


@dataclass(frozen=True)
class RunContext:
    """Where a run writes, on which device it trains, how it reports and is executed."""

    folders: Folders
    device: torch.device
    reporter: Reporter
    settings: RunSettings
