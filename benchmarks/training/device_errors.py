"""Errors of a device that need more than a record: it is out of memory, or it is broken."""

from __future__ import annotations

import torch


class DeviceBroken(RuntimeError):
    """The device answers every further call of this process with an error; others may use it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory is used up, the host's or the device's.

    PyTorch's allocator, a kernel and NVIDIA's libraries each raise another type for it.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = "out of memory", "_ALLOC_FAILED"
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def is_broken(device: torch.device) -> bool:
    """Whether the device fails. An error in a kernel stays until the process ends."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False
