"""Checkpoints: saved atomically after every epoch, loaded without executing anything."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from benchmarks.files import write_atomic


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` (tensors and plain values) atomically; OSError if the disk is full."""
    buffer = io.BytesIO()  # torch.save into a file would hide the reason of a failed write
    torch.save(state, buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The saved state, tensors on the CPU; ValueError if the file is damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f"the checkpoint {path} is damaged: {error}") from error
