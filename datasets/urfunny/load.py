"""Prepared UR-Funny folder -> splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from datasets.spec import THREE_PARTS
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sequences import Ragged
from datasets.urfunny.spec import SPEC

KINDS = (*SPEC.modalities, "offsets", "labels", "names")


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, padding: str, protocol: str, normalise: str
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split."""
    stored = THREE_PARTS[protocol]
    parts = sorted({*stored.values()})
    names = [f"{kind}_{part}" for part in parts for kind in KINDS]
    statistics = [f"statistics_{m}" for m in SPEC.modalities]
    arrays = read_arrays(folder, manifest, remedy, names + statistics * (normalise == "zscore"))
    longest, batchwise = int(manifest.facts["longest"]), padding == "batch"
    splits = {part: _split(arrays, part, longest, batchwise) for part in parts}
    ids = {split: arrays[f"names_{part}"].tolist() for split, part in stored.items()}
    return [splits[part] for part in stored.values()], split_fingerprint(**ids)


def _split(arrays: dict[str, np.ndarray], part: str, longest: int, batchwise: bool) -> SplitTensors:
    offsets = torch.from_numpy(arrays[f"offsets_{part}"])
    inputs = {}
    for m in SPEC.modalities:
        statistics = arrays.get(f"statistics_{m}")
        inputs[m] = Ragged(
            torch.from_numpy(arrays[f"{m}_{part}"]),
            offsets,
            longest,
            statistics=None if statistics is None else torch.from_numpy(statistics),
            batchwise=batchwise,
        )
    return SplitTensors(inputs, torch.from_numpy(arrays[f"labels_{part}"]).long())
