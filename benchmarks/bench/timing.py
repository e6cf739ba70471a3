"""Interleaved timing: a slow moment of the machine hits everything that is compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

Seconds = dict[str, list[float]]
Row = dict[str, Any]
NOT_RUN = "not run"


@dataclass(frozen=True)
class Setting:
    """Where a part is measured, and how many rounds."""

    device: torch.device
    rounds: int


def interleaved(
    actions: Mapping[str, Callable[[], object]], setting: Setting, warm: bool = False
) -> Seconds:
    """Seconds of each action, one per round, after a call that is not timed unless all are `warm`
    already."""
    for action in actions.values() if not warm else ():
        action()
    times: Seconds = {name: [] for name in actions}
    for _ in range(setting.rounds):
        for name, action in actions.items():
            times[name].append(_seconds(action, setting.device))
    return times


def ratio(times: Seconds, name: str, reference: str) -> float:
    """How long `name` takes relative to `reference`: the median over the rounds."""
    pairs = zip(times[name], times[reference], strict=True)
    return median(mine / theirs for mine, theirs in pairs)


def wait(device: torch.device) -> None:
    """Until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    wait(device)
    started = time.perf_counter()
    action()
    wait(device)
    return time.perf_counter() - started
