"""Audit of AV-MNIST: what its rows share, and which recordings fit their images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from datasets.audit.checks import answers, balance, identical, shared
from datasets.audit.findings import Finding, Sample, Splits
from datasets.avmnist.pairing import split_rows
from datasets.avmnist.raw import PUBLISHED, RawAvMnist, read_raw, scan
from datasets.avmnist.recordings import Clip
from datasets.avmnist.spec import PARTS, SPEAKERS, TAKES, TEST_TAKES
from datasets.spec import PROTOCOLS
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest

Arrays = Mapping[str, np.ndarray]
_PREPARED = ("labels", "clip_digits", "scrambled", "basis")


def findings(raw: Sequence[Path]) -> Iterator[Finding]:
    """Equal images and recordings, from the raw files."""
    found = scan(raw)
    missing = [f"{name}.gz" for pair in PARTS.values() for name in pair if not found.idx(name)]
    missing += [] if found.recordings else ["the FSDD recordings"]
    if missing:
        text = f"{', '.join(missing)} (equal images and recordings)"
        yield Finding("raw files", "not checked", text)
    else:
        yield from raw_findings(read_raw(raw, PUBLISHED))


def prepared_findings(folder: Path, manifest: Manifest, remedy: str) -> Iterator[Finding]:
    """What the rows of the prepared folder share, and which recordings fit their images."""
    stored = [f"{kind}_{part}" for kind in _PREPARED for part in PARTS]
    arrays = read_arrays(folder, manifest, remedy, stored)
    clips = [Clip(d, s, t) for d in range(10) for s in SPEAKERS for t in range(TAKES)]
    yield from row_findings(arrays, manifest, clips)


def raw_findings(raw: RawAvMnist) -> Iterator[Finding]:
    """Byte-identical images, and recordings, within and across training and test part."""
    images = {
        part: [
            Sample(f"{part}:{row}", (str(label),), digests={"image": _sha256(image)})
            for row, (image, label) in enumerate(zip(raw.images[part], labels, strict=True))
        ]
        for part, labels in raw.labels.items()
    }
    yield identical(images, "image")
    samples = {
        clip: Sample(clip.file, (str(clip.digit),), digests={"recording": _sha256(sound)})
        for clip, sound in raw.clips.items()
    }
    parts = {part: [samples[clip] for clip in _of_part(raw.clips, part)] for part in PARTS}
    yield identical(parts, "recording")


def row_findings(arrays: Arrays, manifest: Manifest, clips: Sequence[Clip]) -> Iterator[Finding]:
    """What the rows of each protocol's splits share; `clips` are all stored recordings, sorted."""
    rows = {part: _samples(arrays, part, _of_part(clips, part)) for part in PARTS}
    splits = {p: _splits(rows, manifest, p) for p in PROTOCOLS}
    checks = (partial(shared, kind="recording"), partial(shared, kind="speaker"), balance)
    yield from answers(splits, checks)
    yield wrong_digits(arrays)
    yield separate_fits(arrays["basis_train"], arrays["basis_test"])


def wrong_digits(arrays: Arrays) -> Finding:
    """The share of rows whose recording says another digit with `pairing=scrambled`."""
    shares = {}
    for part in PARTS:
        spoken = arrays[f"clip_digits_{part}"][arrays[f"scrambled_{part}"]]
        shares[part] = round(float((spoken != arrays[f"labels_{part}"]).mean()), 4)
    listed = ", ".join(f"{part} {100 * share:.1f} %" for part, share in shares.items())
    text = f"pairing=scrambled: rows whose recording says another digit: {listed}"
    return Finding("pairing", "note" if any(shares.values()) else "ok", text, {"share": shares})


def separate_fits(train: np.ndarray, test: np.ndarray) -> Finding:
    """Whether training and test images lie in one subspace; bases (n, 784), orthonormal rows."""
    cosines = np.linalg.svd(train @ test.T, compute_uv=False).clip(0, 1)
    numbers = {"cosines": [round(float(c), 3) for c in cosines]}
    if np.array_equal(train, test):
        return Finding("PCA", "ok", "training and test images have one PCA", numbers)
    listed = ", ".join(f"{c:.3f}" for c in numbers["cosines"])
    text = f"the PCA of the test images is fitted on the test images (cosines to train: {listed})"
    return Finding("PCA", "note", text, numbers)


def _samples(arrays: Arrays, part: str, clips: Sequence[Clip]) -> list[Sample]:
    groups = [{"recording": clip.file, "speaker": clip.speaker} for clip in clips]
    pairs = zip(arrays[f"labels_{part}"].tolist(), arrays[f"scrambled_{part}"], strict=True)
    return [
        Sample(f"{part}:{row}", (str(label),), groups[clip])
        for row, (label, clip) in enumerate(pairs)
    ]


def _splits(rows: Mapping[str, list[Sample]], manifest: Manifest, protocol: str) -> Splits:
    sizes = {part: len(samples) for part, samples in rows.items()}
    chosen = split_rows(sizes, manifest, protocol)
    return {s: [rows[part][i] for i in index] for s, (part, index) in chosen.items()}


def _of_part(clips: Sequence[Clip] | Mapping[Clip, object], part: str) -> list[Clip]:
    return [clip for clip in sorted(clips) if (clip.take in TEST_TAKES) == (part == "test")]


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
