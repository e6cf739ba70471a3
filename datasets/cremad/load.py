"""A prepared CREMA-D folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets.cremad.splits import stored_rows
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.frames import Frames
from datasets.tensors.spectra import FRONT_ENDS
from datasets.tensors.waveforms import Waveforms


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, front_end: str, protocol: str
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split."""
    clips, rows = stored_rows(folder, manifest, remedy, protocol)
    arrays = read_arrays(folder, manifest, remedy, ("samples", "lengths", "frames", "labels"))
    samples, lengths, frames, labels = map(torch.from_numpy, arrays.values())
    inputs = {
        "audio": Waveforms(samples, lengths.long(), FRONT_ENDS[front_end]),
        "visual": Frames(frames, manifest.recipe["image_size"]),
    }
    everything = SplitTensors(inputs, labels.long())
    identity = split_fingerprint(**{s: [clips[i] for i in r] for s, r in rows.items()})
    return [everything.subset(torch.from_numpy(index)) for index in rows.values()], identity
