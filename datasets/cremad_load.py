"""A prepared CREMA-D folder -> tensors of the three splits."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets.cremad_splits import split_rows
from datasets.frames import Frames
from datasets.manifest import Manifest
from datasets.spec import SplitTensors
from datasets.spectra import FRONT_ENDS
from datasets.splits import split_fingerprint
from datasets.store import read_arrays
from datasets.waveforms import Waveforms


def load_splits(
    folder: Path, manifest: Manifest, remedy: str, *, front_end: str, protocol: str
) -> tuple[list[SplitTensors], str]:
    """Train, validation and test, and the fingerprint of the split."""
    arrays = read_arrays(folder, manifest, remedy)
    clips = [name.decode() for name in arrays["clips"].tolist()]
    rows = split_rows(clips, arrays["labels"], arrays["is_test"], protocol)
    samples, lengths, frames = (
        torch.from_numpy(arrays[name]) for name in ("samples", "lengths", "frames")
    )
    inputs = {
        "audio": Waveforms(samples, lengths.long(), FRONT_ENDS[front_end]),
        "visual": Frames(frames, manifest.recipe["image_size"]),
    }
    everything = SplitTensors(inputs, torch.from_numpy(arrays["labels"]).long())
    identity = split_fingerprint(**{s: [clips[i] for i in r] for s, r in rows.items()})
    return [everything.subset(torch.from_numpy(index)) for index in rows.values()], identity
