"""A prepared AV-MNIST folder -> tensors of the three splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datasets.avmnist.pairing import pairing_rows, split_rows
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Indexed, LowRank


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, options: Mapping[str, Any]
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split, with complete `options`."""
    arrays = read_arrays(folder, manifest, remedy)
    if "pairing" in options:  # the archive's rows have their own
        clips = pairing_rows(arrays, manifest, options["pairing"])
        arrays |= {f"clips_{part}": index for part, index in clips.items()}
    components, protocol = options.get("components"), options["protocol"]
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    parts = {part: _split(tensors, part, components) for part in ("train", "test")}
    rows = split_rows({part: len(split) for part, split in parts.items()}, manifest, protocol)
    identity = split_fingerprint(**{s: [f"{p}:{i}" for i in r] for s, (p, r) in rows.items()})
    return [parts[part].subset(torch.from_numpy(index)) for part, index in rows.values()], identity


def _split(tensors: dict[str, Tensor], part: str, components: int | None) -> SplitTensors:
    """One stored split; the first components of a PCA are the PCA with fewer, None means all."""
    spectrograms = tensors[f"audio_{part}"].unsqueeze(1)
    audio = Indexed(spectrograms, tensors[f"clips_{part}"].long())
    coefficients = tensors[f"coefficients_{part}"][:, :components].contiguous()
    basis = tensors[f"basis_{part}"][:components]
    visual = LowRank(coefficients, basis, (1, 28, 28))
    return SplitTensors({"audio": audio, "visual": visual}, tensors[f"labels_{part}"].long())
