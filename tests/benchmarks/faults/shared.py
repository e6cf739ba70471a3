"""What the tests of faults share: lines that must have been said, and a full memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import torch


def named(lines: Iterable[str], *words: str) -> bool:
    """Whether a line has all the words."""
    return any(all(word in line for word in words) for line in lines)


def out_of_memory(*given: object) -> NoReturn:
    """Takes the place of whatever needs too much memory."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")
