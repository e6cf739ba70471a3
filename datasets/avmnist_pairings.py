"""Which recording each image of a prepared AV-MNIST gets, under every pairing; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets.avmnist import SPREADS, AvMnist
from datasets.manifest import Manifest
from datasets.pairing import scrambled_pairing
from datasets.release import PARTS
from datasets.store import read_arrays


def pairing_rows(
    arrays: Mapping[str, np.ndarray], manifest: Manifest, pairing: str
) -> dict[str, np.ndarray]:
    """Per split (N,), rows of audio_<split>: as prepared, or made from the aligned pairing."""
    if pairing not in SPREADS:
        return {part: arrays[f"{pairing}_{part}"] for part in PARTS}
    aligned = {part: arrays[f"aligned_{part}"] for part in PARTS}
    return scrambled_pairing(aligned, int(manifest.recipe["seed"]), SPREADS[pairing])


def train_shares(folder: Path, pairing: str) -> tuple[float, float]:
    """Shares in [0, 1] of the training rows that keep their recording, and a right digit's."""
    loader = AvMnist()
    manifest = loader.manifest(folder)
    names = [f"{kind}_{part}" for kind in ("aligned", "scrambled") for part in PARTS]
    names += ["labels_train", "clip_digits_train"]
    arrays = read_arrays(folder, manifest, loader.remedy(manifest.stand_in), names)
    index = pairing_rows(arrays, manifest, pairing)["train"]
    in_place = float((index == arrays["aligned_train"]).mean())
    return in_place, float((arrays["clip_digits_train"][index] == arrays["labels_train"]).mean())
