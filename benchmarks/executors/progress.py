"""Progress bars on a terminal, plain lines elsewhere; and the choice of the device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.training.execution import Reporter


def reporter(say: Callable[[str], None]) -> Reporter:
    """A bar per epoch with the time left; lines go above it."""
    interactive = sys.stderr.isatty()

    def track(batches: Tensor, title: str) -> Iterable[Tensor]:
        if not interactive:
            return batches
        return tqdm(batches, desc=title, leave=False, unit="step", dynamic_ncols=True)

    def line(text: str) -> None:
        tqdm.write(text) if interactive else say(text)

    return Reporter(line, track)


def lines_only(say: Callable[[str], None]) -> Reporter:
    """No bars: for a process whose lines are read by another."""
    return Reporter(say, lambda batches, title: batches)


def pick_device(name: str | None) -> torch.device:
    """The named device, else cuda where there is one; ValueError if it is not there."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device is '{name}'; it must be cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device is '{name}'; it must be cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"--device is '{name}', but torch sees {count} CUDA devices")
    return device
