"""What is known of runs that have a checkpoint and no result."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

# Damaged, with content that `load_checkpoint` refuses, or without the fields of a checkpoint.
UNREADABLE = (
    pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip


def trained_seconds(folder: Path) -> dict[str, float]:
    """{run_id: seconds until its checkpoint} for each in `folder`; NaN where it cannot be read."""
    found = {}
    for path in sorted(folder.glob("*.pt")):
        if not path.name.endswith(".previous.pt"):
            found[path.stem] = _seconds(path)
    return found


def _seconds(path: Path) -> float:
    # Only here, as importing torch takes seconds and few folders hold checkpoints.
    from benchmarks.checkpoint import load_checkpoint

    try:
        state = load_checkpoint(path)
        return sum(state["epoch_seconds"]) + state["partial"].get("seconds", 0.0)
    except UNREADABLE:
        return math.nan
