"""Stand-in AVE: small generated HDF5 files, order files and Annotations.txt.

They pass through the same preparation as the published files. Clips are fewer, pictures have 2 x 2
positions of 32 channels, and six events and background take the place of 29 classes. An event is
seen and heard in some of the ten seconds; in the others one sees it, or hears it, or neither, and
all of them are background: what is background shows in both modalities together only. Audio
dominates: it tells three groups of two events apart; visual tells the two events of a group apart,
at one of the positions. Either modality alone sees the rest faintly.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from datasets.ave.raw import KEY
from datasets.ave.spec import ANNOTATIONS, FEATURES, ORDERS, SECONDS, Release

SOUNDS, SIGHTS = 3, 2
NOISE, FAINT = 1.0, 0.25
AUDIO_SCALE, VISUAL_SCALE = 3.0, 6.0
SHORTEST = 5  # seconds


def write_raw(folder: Path, release: Release, seed: int) -> None:
    """Writes the raw files of a release below `folder`."""
    random = np.random.RandomState(seed)
    events = random.permutation(np.arange(release.rows) % release.categories)
    length = random.randint(SHORTEST, SECONDS + 1, release.rows)
    start = random.randint(0, SECONDS + 1 - length)
    lines = [
        f"event {event}&clip{row:07d}&good&{first}&{first + seconds}"
        for row, (event, first, seconds) in enumerate(zip(events, start, length, strict=True))
    ]
    (folder / ANNOTATIONS).write_text("\n".join(lines) + "\n")
    heard, seen = _presence(start, length, random)
    _write(folder / FEATURES["audio"], KEY, _audio(release, events, heard, random))
    _write(folder / FEATURES["visual"], KEY, _visual(release, events, seen, random))
    ends = np.cumsum(list(release.clips.values()))[:-1]
    for name, order in zip(
        ORDERS.values(), np.split(random.permutation(release.rows), ends), strict=True
    ):
        _write(folder / name, "order", order)


def _presence(
    start: np.ndarray, length: np.ndarray, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the event is heard and whether it is seen, (N, 10) each; both inside the event."""
    second = np.arange(SECONDS)
    event = (second >= start[:, None]) & (second < (start + length)[:, None])
    alone = random.randint(0, 3, event.shape)  # heard only, seen only, neither
    return event | (alone == 0), event | (alone == 1)


def _audio(
    release: Release, events: np.ndarray, heard: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """(N, 10, 128) float32."""
    shape = (release.rows, *release.shapes["audio"])
    pattern = _patterns(events, events % SOUNDS, shape[-1], random)
    clean = heard[:, :, None] * pattern[:, None]
    return _noisy(AUDIO_SCALE, clean, shape, random)


def _visual(
    release: Release, events: np.ndarray, seen: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """(N, 10, 2, 2, 32) float32, not negative; the event is at one position of the clip."""
    shape = (release.rows, *release.shapes["visual"])
    pattern = _patterns(events, events // SOUNDS, shape[-1], random)
    positions = shape[2] * shape[3]
    place = np.eye(positions)[random.randint(0, positions, len(events))]
    where = place.reshape(len(events), 1, *shape[2:4], 1) * seen[:, :, None, None, None]
    clean = where * pattern[:, None, None, None]
    return np.maximum(_noisy(VISUAL_SCALE, clean, shape, random), 0)


def _patterns(
    events: np.ndarray, groups: np.ndarray, width: int, random: np.random.RandomState
) -> np.ndarray:
    """What a modality shows of each clip's event, (N, width): its group, and faintly itself."""
    of_group = random.standard_normal((groups.max() + 1, width))
    of_event = random.standard_normal((events.max() + 1, width))
    return of_group[groups] + FAINT * of_event[events]


def _noisy(
    scale: float, clean: np.ndarray, shape: tuple[int, ...], random: np.random.RandomState
) -> np.ndarray:
    return (scale * (clean + NOISE * random.standard_normal(shape))).astype(np.float32)


def _write(path: Path, key: str, array: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file[key] = array
