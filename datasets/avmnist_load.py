"""A prepared AV-MNIST folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from datasets.manifest import Manifest
from datasets.spec import Indexed, LowRank, SplitTensors
from datasets.store import read_arrays


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, pairing: str, components: int
) -> tuple[SplitTensors, SplitTensors, SplitTensors]:
    """Train, validation (the last rows of the training set, 5,000 of 60,000) and test."""
    arrays = read_arrays(folder, manifest, remedy)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    full, test = (_split(tensors, part, pairing, components) for part in ("train", "test"))
    rows = torch.arange(len(full))
    first_val_row = len(full) - int(manifest.facts["val_rows"])
    return full.subset(rows[:first_val_row]), full.subset(rows[first_val_row:]), test


def _split(tensors: dict[str, Tensor], part: str, pairing: str, components: int) -> SplitTensors:
    """One stored split; the first components of a PCA are the PCA with fewer components."""
    spectrograms = tensors[f"audio_{part}"].unsqueeze(1)
    audio = Indexed(spectrograms, tensors[f"{pairing}_{part}"].long())
    coefficients = tensors[f"coefficients_{part}"][:, :components].contiguous()
    basis = tensors[f"basis_{part}"][:components]
    visual = LowRank(coefficients, basis, (1, 28, 28))
    return SplitTensors({"audio": audio, "visual": visual}, tensors[f"labels_{part}"].long())
