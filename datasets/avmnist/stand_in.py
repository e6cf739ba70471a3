"""Stand-in AV-MNIST: small generated files in the publishers' own formats.

They pass through the same preparation as the real release. Audio is easy: each digit is a pair
of tones with some noise. Images are hard: blurred glyphs, shifted and blended with another digit's
glyph, of which the PCA keeps four components. So audio dominates where it is paired with the right
image (`aligned`); with `scrambled`, where most recordings say another digit, visual dominates.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from datasets.avmnist.recordings import Clip
from datasets.avmnist.spec import PARTS
from datasets.avmnist.spectrogram import RATE_HZ
from datasets.raw.idx import pack_idx
from datasets.raw.wav import pack_wav

ROWS = {"train": 2400, "test": 600}
SPEAKERS = ("high", "low")
TAKES = (*range(12), *range(40, 44))
"""Takes 40 and above are the test recordings, as in the published data."""

SECONDS = (0.25, 0.5)
NOISE = 0.3
PITCH = {"high": 1.03, "low": 0.97}


def write_raw(folder: Path, seed: int) -> None:
    """Writes MNIST's four idx .gz files and FSDD's `recordings/*.wav` below `folder`."""
    random = np.random.RandomState(seed)
    glyphs = _glyphs(random)
    for part, names in PARTS.items():
        labels = random.permutation(np.arange(ROWS[part]) % 10).astype(np.uint8)
        for name, array in zip(names, (_images(labels, glyphs, random), labels), strict=True):
            (folder / f"{name}.gz").write_bytes(gzip.compress(pack_idx(array)))
    recordings = folder / "recordings"
    recordings.mkdir()
    for clip in (Clip(d, s, t) for d in range(10) for s in SPEAKERS for t in TAKES):
        (recordings / clip.file).write_bytes(pack_wav(_speech(clip, random), RATE_HZ))


def _glyphs(random: np.random.RandomState) -> np.ndarray:
    """One blurred random pattern per digit, (10, 28, 28) in [0, 1], dark at the border."""
    noise = gaussian_filter(random.standard_normal((10, 28, 28)), (0, 3, 3))
    edge = np.hanning(30)[1:-1]
    patterns = np.maximum(noise, 0) * np.outer(edge, edge)
    return patterns / patterns.max((1, 2), keepdims=True)


def _images(labels: np.ndarray, glyphs: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Noisy, shifted glyphs, each blended with another digit's: (N, 28, 28) uint8."""
    others = (labels + random.randint(1, 10, len(labels))) % 10
    blend = random.uniform(0, 0.6, (len(labels), 1, 1))
    clean = (1 - blend) * glyphs[labels] + blend * glyphs[others]
    shifts = random.randint(-2, 3, (len(labels), 2))
    moved = np.stack([np.roll(i, s, (0, 1)) for i, s in zip(clean, shifts, strict=True)])
    noisy = moved + 0.2 * random.standard_normal(moved.shape)
    return (255 * noisy.clip(0, 1)).astype(np.uint8)


def _speech(clip: Clip, random: np.random.RandomState) -> np.ndarray:
    """Two tones, one after the other, that name the digit: (T,) int16 at 8 kHz."""
    seconds = np.arange(int(RATE_HZ * random.uniform(*SECONDS))) / RATE_HZ
    # 350 Hz apart: the spectrogram's windows of 3 ms tell no closer tones from each other.
    first_hz, second_hz = (400 + 350 * np.array([clip.digit, 3 * clip.digit % 10])).tolist()
    is_late = seconds > seconds[-1] / 2
    phase = PITCH[clip.speaker] * np.where(is_late, second_hz, first_hz) * seconds
    envelope = np.hanning(len(seconds)) + 0.05
    noisy = envelope * np.sin(2 * np.pi * phase) + NOISE * random.standard_normal(len(seconds))
    return (8000 * noisy).clip(-32768, 32767).astype(np.int16)
