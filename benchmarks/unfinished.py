"""How long runs were trained until their newest checkpoint."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

_UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, RuntimeError),
    *(EOFError, OSError, MemoryError, pickle.UnpicklingError),
)


def trained_seconds(folder: Path) -> dict[str, float]:
    """{run_id: seconds until its checkpoint} for each in `folder`; NaN where it cannot be read."""
    run_ids = sorted({path.name.split(".")[0] for path in folder.glob("*.pt")})
    return {run_id: saved_seconds(folder / f"{run_id}.pt") for run_id in run_ids}


def saved_seconds(checkpoint: Path) -> float:
    """Seconds until a run's checkpoint, or the one before if that is gone; NaN if it cannot be
    read, 0 without any."""
    # Only here, as importing torch takes seconds and few folders hold checkpoints.
    from benchmarks.checkpoint import load_checkpoint, previous

    path = next(filter(Path.exists, (checkpoint, previous(checkpoint))), None)
    if path is None:
        return 0.0
    try:
        state = load_checkpoint(path)
        return sum(state["epoch_seconds"]) + state["partial"].get("seconds", 0.0)
    except _UNREADABLE:
        return math.nan
