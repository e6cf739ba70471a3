"""Which recording each row of the published archive holds, and of which image that was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from datasets.avmnist.archive import Archive
from datasets.avmnist.recordings import Clip
from datasets.avmnist.spec import PARTS, SPEAKERS, TAKES, TEST_TAKES
from datasets.spec import Progress
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest

NEAR_LEVELS = 16
"""A picture that differs by more grey levels on average is of no known recording."""
BATCH = 512
UNKNOWN = -1
FAR_ROWS = 50
"""A pool of workers moves rows by far less (root mean square)."""

KEPT_BY_CHANCE = 0.06
"""More rows in place, as a share, than chance gives to 37 rows of each of 160 recordings."""


@dataclass(frozen=True)
class Recordings:
    """The K known recordings, those of the training part first.

    pictures (K, 112, 112) uint8; digits (K,); parts (K,): 0 for training, 1 for test; K names.
    """

    pictures: np.ndarray
    digits: np.ndarray
    parts: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """All N rows of the archive, those of the training part first.

    labels (N,), parts (N,): 0 for training, 1 for test; recordings (N,): which known one, -1 for
    none; levels (N,): the largest difference to its picture in grey levels, 0 if they are equal.
    """

    labels: np.ndarray
    parts: np.ndarray
    recordings: np.ndarray
    levels: np.ndarray


def known_recordings(folder: Path, manifest: Manifest, remedy: str) -> Recordings:
    """The recordings of the prepared folder, with the names of their files if it is published."""
    stored = [f"{kind}_{part}" for kind in ("audio", "clip_digits") for part in PARTS]
    arrays = read_arrays(folder, manifest, remedy, stored)
    counts = [len(arrays[f"audio_{part}"]) for part in PARTS]
    clips = sorted(Clip(d, s, t) for d in range(10) for s in SPEAKERS for t in range(TAKES))
    clips.sort(key=lambda clip: clip.take in TEST_TAKES)  # stable
    names = [clip.file for clip in clips]
    if manifest.stand_in:
        names = [f"{part}:{row}" for part, n in zip(PARTS, counts, strict=True) for row in range(n)]
    return Recordings(
        np.concatenate([arrays[f"audio_{part}"] for part in PARTS]),
        np.concatenate([arrays[f"clip_digits_{part}"] for part in PARTS]).astype(np.int64),
        np.repeat([0, 1], counts),
        tuple(names),
    )


def match(archive: Archive, known: Recordings, progress: Progress) -> Rows:
    """The known recording whose picture each row holds: the equal one, else the nearest."""
    by_content = {picture.tobytes(): row for row, picture in enumerate(known.pictures)}
    recordings, levels = [], []
    for part in PARTS:
        distinct = archive.pictures[part].distinct
        equal = [by_content.get(picture.tobytes(), UNKNOWN) for picture in distinct]
        found, differences = np.array(equal), np.zeros(len(distinct), np.int64)
        others = np.flatnonzero(found == UNKNOWN)
        for start in range(0, len(others), BATCH):
            progress("matching spectrograms", start, len(others))
            chosen = others[start : start + BATCH]
            pictures = np.stack([distinct[row] for row in chosen])
            found[chosen], differences[chosen] = _nearest(pictures, known.pictures)
        index = np.array(archive.pictures[part].index)
        recordings.append(found[index])
        levels.append(differences[index])
    return Rows(
        np.concatenate([archive.labels[part] for part in PARTS]).astype(np.int64),
        np.repeat([0, 1], [len(archive.labels[part]) for part in PARTS]),
        np.concatenate(recordings),
        np.concatenate(levels),
    )


def _nearest(pictures: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest known picture of each, or -1, and the largest difference in grey levels."""
    flat, others = (array.reshape(len(array), -1).astype(np.float32) for array in (pictures, known))
    nearest = ((others**2).sum(1) - 2 * flat @ others.T).argmin(1)
    differences = np.abs(flat - others[nearest])
    is_near = differences.mean(1) <= NEAR_LEVELS
    return np.where(is_near, nearest, UNKNOWN), differences.max(1).astype(np.int64)


def jobs(rows: Rows, known: Recordings) -> np.ndarray | None:
    """The row (N,) for whose image each row's recording was made, or None if that cannot be told.

    The published generator gives the images of a digit its recordings in turn. So a recording's
    place in the turn tells the rows that it was made for. It is not known, but rows that kept
    their recording, or moved a little, give it away.
    """
    if (rows.recordings == UNKNOWN).any():
        return None
    origin = np.arange(len(rows.labels))
    for part in range(len(PARTS)):
        for digit in np.unique(known.digits):
            wanted = np.flatnonzero((rows.labels == digit) & (rows.parts == part))
            clips = np.flatnonzero((known.digits == digit) & (known.parts == part))
            held = [np.flatnonzero(rows.recordings == clip) for clip in clips]
            made_for = [wanted[place :: len(clips)] for place in range(len(clips))]
            if sorted(map(len, held)) != sorted(map(len, made_for)):
                return None
            for place, clip in _turn(made_for, held, len(origin)):
                there = np.setdiff1d(held[clip], made_for[place])
                origin[there] = np.setdiff1d(made_for[place], held[clip])
    return origin


def _turn(made_for: list[np.ndarray], held: list[np.ndarray], rows: int) -> list[tuple[int, int]]:
    """The pairs (place in the turn, recording): those that move rows least, or keep most in place.

    The first is right for recordings that moved a little, however few of them kept their place.
    The second is right where most went far, and some stayed.
    """
    place_of = np.full(rows, -1)
    for place, wanted in enumerate(made_for):
        place_of[wanted] = place
    places = np.arange(len(made_for))
    kept = np.stack([(place_of[own][None] == places[:, None]).sum(1) for own in held], 1)
    lengths = [np.array([len(each) for each in groups]) for groups in (made_for, held)]
    impossible = np.where(lengths[0][:, None] != lengths[1][None], 1e15, 0.0)
    moved, count = _moved(made_for, held), lengths[0].sum()
    least_moved = linear_sum_assignment(impossible + moved)
    most_kept = linear_sum_assignment(impossible - kept)
    went_far = moved[least_moved].sum() > FAR_ROWS**2 * count
    is_telling = kept[most_kept].sum() > KEPT_BY_CHANCE * count
    return list(zip(*(most_kept if went_far and is_telling else least_moved), strict=True))


def _moved(made_for: list[np.ndarray], held: list[np.ndarray]) -> np.ndarray:
    """Sums of squared distances (places, recordings), if the rows of both keep their order."""
    longest = max(map(len, made_for), default=0)
    wanted, there = (np.full((len(groups), longest), np.nan) for groups in (made_for, held))
    for table, groups in ((wanted, made_for), (there, held)):
        for line, group in zip(table, groups, strict=True):
            line[: len(group)] = group
    return np.nansum((wanted[:, None] - there[None]) ** 2, axis=2)
