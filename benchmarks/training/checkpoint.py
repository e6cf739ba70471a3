"""Checkpoints: saved atomically after every epoch, verified when read; loading executes nothing."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.records.files import write_bytes
from datasets.store.system import listed

DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes the digest of `state` (tensors and plain values) and the state, atomically.

    Raises Unwritable if the disk is full.
    """
    buffer = io.BytesIO()  # torch.save into a file would hide the reason of a failed write
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_bytes(path, hashlib.sha256(payload).digest(), payload)


def keep_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """As `save_checkpoint`; the checkpoint before is kept as the previous one."""
    if path.exists():
        path.replace(previous(path))
    save_checkpoint(path, state)


def previous(path: Path) -> Path:
    """The path of the checkpoint before the newest."""
    return path.with_suffix(".previous.pt")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The saved state, tensors on the CPU; ValueError if the file is damaged."""
    content = path.read_bytes()
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    # torch.load alone accepts a file with flipped bits.
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError(f"the checkpoint {path} is damaged: its checksum does not fit")
    return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)


def save_weights(path: Path, model: nn.Module) -> None:
    """Writes parameters and buffers, in the format of a checkpoint."""
    save_checkpoint(path, {"model": model.state_dict()})


def load_weights(path: Path, model: nn.Module) -> None:
    """Loads the saved parameters and buffers into `model`.

    Raises ValueError if the file is damaged or holds those of another model.
    """
    try:
        model.load_state_dict(load_checkpoint(path)["model"])
    except (KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} does not hold the weights of this model: {error}") from error


_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, RuntimeError),
    *(EOFError, OSError, MemoryError, pickle.UnpicklingError),
)


def trained_seconds(folder: Path) -> dict[str, float]:
    """{run_id: seconds until its checkpoint} for each in `folder`; NaN where it cannot be read."""
    run_ids = sorted({path.name.split(".")[0] for path in listed(folder, "*.pt")})
    return {run_id: saved_seconds(folder / f"{run_id}.pt") for run_id in run_ids}


def saved_seconds(checkpoint: Path) -> float:
    """Seconds that a run had trained at its checkpoint, or at the one before if that is gone.

    NaN if the file cannot be read; 0 without a checkpoint.
    """
    path = next(filter(Path.exists, (checkpoint, previous(checkpoint))), None)
    if path is None:
        return 0.0
    try:
        state = load_checkpoint(path)
        return sum(state["epoch_seconds"]) + state["partial"].get("seconds", 0.0)
    except _UNREADABLE:
        return math.nan
