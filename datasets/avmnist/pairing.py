"""Which recording goes with which image, and which rows are in which split.

All randomness is numpy's RandomState. Its streams are frozen (NEP 19): a seed gives the same
pairing with every version.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets.avmnist.spec import PARTS, SPREADS
from datasets.errors import DataError
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import first_share

WORKERS = 23
JOB_TIME_SPREAD = 0.05
"""Coefficient of variation of a job's time; with 5 % the simulation explains the published data."""

Labels = Mapping[str, np.ndarray]


def aligned_pairing(labels: Labels, clip_digits: Labels, seed: int) -> dict[str, np.ndarray]:
    """Per split the clip (N,) int64 of each image: its own digit's clips in a shuffled cycle.

    `labels` are per split (N,), `clip_digits` (K,). Raises DataError for a digit without a clip.
    """
    random = np.random.RandomState([seed, 0])
    pairing = {}
    for part, digits in labels.items():
        index = np.empty(len(digits), np.int64)
        for digit in np.unique(digits):
            clips = np.flatnonzero(clip_digits[part] == digit)
            if not len(clips):
                raise DataError(f"no recording of digit {digit} for the {part} split")
            rows = np.flatnonzero(digits == digit)
            index[rows] = np.resize(random.permutation(clips), len(rows))
        pairing[part] = index
    return pairing


def scrambled_pairing(
    aligned: Mapping[str, np.ndarray], seed: int, spread: float = JOB_TIME_SPREAD
) -> dict[str, np.ndarray]:
    """The aligned pairing in the order in which the published generator finished its jobs.

    There, all rows of train and then of test go through one pool of workers, each of which appends
    its result when done. Departure: rows are cut into splits by the job, not by the place in the
    result, so that no recording crosses from one split to the other at the seam. `spread` is the
    coefficient of variation of a job's time.
    """
    random = np.random.RandomState([seed, 1])
    order = completion_order(sum(map(len, aligned.values())), random, spread)
    pairing, first = {}, 0
    for part, index in aligned.items():
        inside = (order >= first) & (order < first + len(index))
        pairing[part] = index[order[inside] - first]
        first += len(index)
    return pairing


def completion_order(
    jobs: int, random: np.random.RandomState, spread: float = JOB_TIME_SPREAD
) -> np.ndarray:
    """Job numbers (jobs,) int64 in order of completion, for 23 workers taking the next free job."""
    seconds = (1 + spread * random.standard_normal(jobs)).clip(0.1).tolist()
    running = [(seconds[job], job) for job in range(min(WORKERS, jobs))]
    heapq.heapify(running)
    order = np.empty(jobs, np.int64)
    for place in range(jobs):
        now, order[place] = running[0]
        coming = place + WORKERS
        if coming < jobs:
            heapq.heapreplace(running, (now + seconds[coming], coming))
        else:
            heapq.heappop(running)
    return order


def pairing_rows(
    arrays: Mapping[str, np.ndarray], manifest: Manifest, pairing: str
) -> dict[str, np.ndarray]:
    """Per split (N,), rows of audio_<split>: as prepared, or made from the aligned pairing."""
    if pairing not in SPREADS:
        return {part: arrays[f"{pairing}_{part}"] for part in PARTS}
    aligned = {part: arrays[f"aligned_{part}"] for part in PARTS}
    return scrambled_pairing(aligned, int(manifest.recipe["seed"]), SPREADS[pairing])


def train_shares(
    folder: Path, manifest: Manifest, remedy: str, pairing: str
) -> tuple[float, float]:
    """Shares in [0, 1] of the training rows that keep their recording, and a right digit's."""
    names = [f"{kind}_{part}" for kind in ("aligned", "scrambled") for part in PARTS]
    names += ["labels_train", "clip_digits_train"]
    arrays = read_arrays(folder, manifest, remedy, names)
    index = pairing_rows(arrays, manifest, pairing)["train"]
    in_place = float((index == arrays["aligned_train"]).mean())
    return in_place, float((arrays["clip_digits_train"][index] == arrays["labels_train"]).mean())


Rows = dict[str, tuple[str, np.ndarray]]
"""Split -> stored part and its rows."""


def split_rows(sizes: dict[str, int], manifest: Manifest, protocol: str) -> Rows:
    """Which stored rows are in `train`, `val` and `test`.

    `validation`: the last rows of the training set, 5,000 of 60,000, choose the epoch.
    `published`: the first 90 % of both sets; the test rows choose the epoch.
    """
    rows = {part: np.arange(size) for part, size in sizes.items()}
    if protocol == "published":
        test = ("test", first_share(rows["test"]))
        return {"train": ("train", first_share(rows["train"])), "val": test, "test": test}
    first_val_row = sizes["train"] - int(manifest.facts["val_rows"])
    train, val = np.split(rows["train"], [first_val_row])
    return {"train": ("train", train), "val": ("train", val), "test": ("test", rows["test"])}
