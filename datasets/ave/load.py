"""A prepared AVE folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets.spec import THREE_PARTS, DatasetSpec
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, visual: str, protocol: str
) -> tuple[DatasetSpec, list[SplitTensors], str]:
    """What the data looks like, train, validation and test, and the fingerprint of the split."""
    stored = THREE_PARTS[protocol]
    parts = {
        part: _part(folder, manifest, remedy, visual, part) for part in sorted({*stored.values()})
    }
    splits = {split: parts[part] for split, part in stored.items()}
    identity = split_fingerprint(**{split: rows for split, (_, rows) in splits.items()})
    train = splits["train"][0]
    shapes = {m: source.shape for m, source in train.inputs.items()}
    spec = DatasetSpec(manifest.dataset, shapes, manifest.facts["classes"], train.labels.shape[1])
    return spec, [split for split, _ in splits.values()], identity


def _part(
    folder: Path, manifest: Manifest, remedy: str, visual: str, part: str
) -> tuple[SplitTensors, list[int]]:
    """One official split, and the rows of its clips in the published files."""
    names = [f"{name}_{part}" for name in ("audio", f"visual_{visual}", "labels", "rows")]
    arrays = read_arrays(folder, manifest, remedy, names).values()
    audio, visual_features, labels, rows = map(torch.from_numpy, arrays)
    inputs = {"audio": Dense(audio), "visual": Dense(visual_features)}
    return SplitTensors(inputs, labels.long()), rows.tolist()
