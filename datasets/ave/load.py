"""A prepared AVE folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets.spec import THREE_PARTS
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, visual: str, protocol: str
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split: the clips' published rows."""
    stored = THREE_PARTS[protocol]
    splits, rows = {}, {}
    for part in sorted({*stored.values()}):
        names = [f"{name}_{part}" for name in ("audio", f"visual_{visual}", "labels", "rows")]
        arrays = read_arrays(folder, manifest, remedy, names).values()
        audio, visual_features, labels, numbers = map(torch.from_numpy, arrays)
        inputs = {"audio": Dense(audio), "visual": Dense(visual_features)}
        splits[part], rows[part] = SplitTensors(inputs, labels.long()), numbers.tolist()
    identity = split_fingerprint(**{split: rows[part] for split, part in stored.items()})
    return [splits[part] for part in stored.values()], identity
