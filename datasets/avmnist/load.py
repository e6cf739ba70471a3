"""A prepared AV-MNIST folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.avmnist.pairing import pairing_rows
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import first_share, split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Indexed, LowRank


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, pairing: str, protocol: str, components: int
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split."""
    arrays = read_arrays(folder, manifest, remedy)
    clips = pairing_rows(arrays, manifest, pairing)
    arrays |= {f"clips_{part}": index for part, index in clips.items()}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    parts = {part: _split(tensors, part, components) for part in ("train", "test")}
    rows = split_rows({part: len(split) for part, split in parts.items()}, manifest, protocol)
    identity = split_fingerprint(**{s: [f"{p}:{i}" for i in r] for s, (p, r) in rows.items()})
    return [parts[part].subset(torch.from_numpy(index)) for part, index in rows.values()], identity


def _split(tensors: dict[str, Tensor], part: str, components: int) -> SplitTensors:
    """One stored split; the first components of a PCA are the PCA with fewer components."""
    spectrograms = tensors[f"audio_{part}"].unsqueeze(1)
    audio = Indexed(spectrograms, tensors[f"clips_{part}"].long())
    coefficients = tensors[f"coefficients_{part}"][:, :components].contiguous()
    basis = tensors[f"basis_{part}"][:components]
    visual = LowRank(coefficients, basis, (1, 28, 28))
    return SplitTensors({"audio": audio, "visual": visual}, tensors[f"labels_{part}"].long())


Rows = dict[str, tuple[str, np.ndarray]]
"""Split -> stored part and its rows."""


def split_rows(sizes: dict[str, int], manifest: Manifest, protocol: str) -> Rows:
    """Which stored rows are in `train`, `val` and `test`.

    `validation`: the last rows of the training set, 5,000 of 60,000, choose the epoch.
    `published`: the first 90 % of both sets; the test rows choose the epoch.
    """
    rows = {part: np.arange(size) for part, size in sizes.items()}
    if protocol == "published":
        test = ("test", first_share(rows["test"]))
        return {"train": ("train", first_share(rows["train"])), "val": test, "test": test}
    first_val_row = sizes["train"] - int(manifest.facts["val_rows"])
    train, val = np.split(rows["train"], [first_val_row])
    return {"train": ("train", train), "val": ("train", val), "test": ("test", rows["test"])}
