"""How runs are executed: nothing of it changes a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line reads this file, and torch takes seconds to import
    from torch import Tensor


class Stopped(Exception):
    """The run was asked to stop; `Training.partial` says where."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True)
class Reporter:
    """How a run talks: `say` gets lines, `track` wraps an epoch's batches with a title.

    `stop` is asked after every step whether to go no further.
    """

    say: Callable[[str], None]
    track: Callable[[Tensor, str], Iterable[Tensor]]
    stop: Callable[[], bool] = never


@dataclass(frozen=True)
class Execution:
    """`device` as on the command line (None: a CUDA device if there is one), `jobs` runs side by
    side; `keep_weights` saves the last epoch's weights of runs that end well; `capture` replays
    steps as CUDA graphs where method and device allow; `deterministic` refuses operations whose
    bits depend on chance."""

    device: str | None = None
    jobs: int = 1
    keep_weights: bool = False
    capture: Literal["auto", "off"] = "off"
    deterministic: bool = False


DEFAULT = Execution()
