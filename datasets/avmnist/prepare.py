"""Raw AV-MNIST -> the prepared folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.avmnist.pairing import aligned_pairing, scrambled_pairing
from datasets.avmnist.pca import low_rank
from datasets.avmnist.raw import RawAvMnist, Release, read_raw
from datasets.avmnist.spec import COMPONENTS, NAME, PARTS, RECIPE_VERSION, TEST_TAKES
from datasets.avmnist.spectrogram import spectrogram
from datasets.spec import Progress
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest, digest_of

SEED = 0
VAL_SHARE = 12
"""One twelfth of the training rows, the last ones: 5,000 of 60,000."""

Arrays = dict[str, np.ndarray]


def prepare_release(
    places: Sequence[Path], folder: Path, release: Release, seed: int, progress: Progress
) -> Manifest:
    """Reads, verifies, converts and stores one release; raises DataError, leaving no trace."""
    progress("reading raw files", 0, 1)
    raw = read_raw(places, release)
    arrays = _spectrograms(raw, progress)
    energy = _images(raw, arrays, progress)
    _pairings(arrays, seed)
    recipe = recipe_of(release, seed)
    facts = {
        **facts_of(arrays),
        "energy": energy,
        "val_rows": len(raw.labels["train"]) // VAL_SHARE,
    }
    return write_store(
        folder,
        arrays,
        dataset=NAME,
        stand_in=release.stand_in,
        recipe=recipe,
        raw=raw.sha256,
        facts=facts,
        fingerprint=data_fingerprint(recipe, arrays),
    )


def recipe_of(release: Release, seed: int) -> dict[str, Any]:
    """All that decides the data."""
    pins = {name: content.sha256 for name, content in release.idx.items()}
    raw = {**release.identity, **pins, "recordings": release.recordings_sha256}
    return {"version": RECIPE_VERSION, "seed": seed, "components": COMPONENTS, "raw": raw}


def _spectrograms(raw: RawAvMnist, progress: Progress) -> Arrays:
    """audio_<split> (K, 112, 112) uint8 and clip_digits_<split> (K,) uint8."""
    arrays, done = {}, 0
    for part in PARTS:
        clips = [clip for clip in raw.clips if (clip.take in TEST_TAKES) == (part == "test")]
        pictures = np.empty((len(clips), 112, 112), np.uint8)
        for row, clip in enumerate(clips):
            pictures[row] = spectrogram(raw.clips[clip], clip.file)
            done += 1
            progress("spectrograms", done, len(raw.clips))
        arrays[f"audio_{part}"] = pictures
        arrays[f"clip_digits_{part}"] = np.array([clip.digit for clip in clips], np.uint8)
    return arrays


def _images(raw: RawAvMnist, arrays: Arrays, progress: Progress) -> dict[str, list[float]]:
    """Adds coefficients_, basis_ and labels_<split>; returns the cumulative energy per split."""
    energy = {}
    for done, part in enumerate(PARTS):
        progress("images", done, len(PARTS))
        images = low_rank(raw.images[part], COMPONENTS)
        arrays[f"coefficients_{part}"], arrays[f"basis_{part}"] = images[:2]
        arrays[f"labels_{part}"] = raw.labels[part]
        energy[part] = [round(float(share), 4) for share in images.energy]
    progress("images", len(PARTS), len(PARTS))
    return energy


def _pairings(arrays: Arrays, seed: int) -> None:
    """Adds aligned_<split> and scrambled_<split>, (N,) int32: rows of audio_<split>."""
    labels = {part: arrays[f"labels_{part}"] for part in PARTS}
    digits = {part: arrays[f"clip_digits_{part}"] for part in PARTS}
    aligned = aligned_pairing(labels, digits, seed)
    scrambled = scrambled_pairing(aligned, seed)
    for part in PARTS:
        arrays[f"aligned_{part}"] = aligned[part].astype(np.int32)
        arrays[f"scrambled_{part}"] = scrambled[part].astype(np.int32)


IDENTIFYING = ("labels", "clip_digits", "aligned", "scrambled")


def data_fingerprint(recipe: Mapping[str, Any], arrays: Arrays) -> str:
    """Identifies the prepared data, equally on every machine (64 hex digits).

    Covers the recipe, in which the raw files are pinned, and the whole-number arrays. Pictures and
    PCA follow from these but for the last digit of FFT, logarithm and eigenvectors, which may
    differ between machines. The number of components is left out: fewer are a slice of more.
    """
    shared = {key: value for key, value in recipe.items() if key != "components"}
    names = [f"{kind}_{part}" for kind in IDENTIFYING for part in PARTS]
    return digest_of([shared, {name: _digest(arrays[name]) for name in names}])


def facts_of(arrays: Arrays) -> dict[str, Any]:
    """Rows and recordings per split, and what scrambling did, as shares in [0, 1] of the rows."""
    facts: dict[str, Any] = {"rows": {}, "clips": {}, "scrambled": {}}
    for part in PARTS:
        labels, scrambled = arrays[f"labels_{part}"], arrays[f"scrambled_{part}"]
        spoken = arrays[f"clip_digits_{part}"][scrambled]
        facts["rows"][part] = len(labels)
        facts["clips"][part] = len(arrays[f"audio_{part}"])
        facts["scrambled"][part] = {
            "in_place": _share(scrambled == arrays[f"aligned_{part}"]),
            "same_label": _share(spoken == labels),
        }
    return facts


def _digest(array: np.ndarray) -> str:
    # The values' bytes in a fixed type: neither byte order nor the .npy header may matter.
    return hashlib.sha256(array.astype("<i4").tobytes()).hexdigest()


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 4)
