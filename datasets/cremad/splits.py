"""Which stored clips are in which split of CREMA-D."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.cremad.raw import actor_of
from datasets.cremad.spec import FOLDS
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import first_share, stratified

SEED = 0
VAL_SHARE = ACTOR_SHARE = 0.1
CANDIDATES = 1000
TFDS_PERCENT = (70, 80)
"""Shares of the actors below which TensorFlow Datasets has its training and validation actors."""

TFDS_LEAVES_OUT = ("1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1017_IWW_FEA_XX", "1040_ITH_SAD_XX")
"""Three of them sound as another clip does, byte for byte."""

Rows = dict[str, np.ndarray]
"""Split -> stored rows."""


def stored_rows(
    folder: Path, manifest: Manifest, remedy: str, protocol: str
) -> tuple[list[str], Rows]:
    """The clips of a prepared folder, and which of them are in each split."""
    arrays = read_arrays(folder, manifest, remedy, ("clips", "labels", "is_test"))
    clips = [name.decode() for name in arrays["clips"].tolist()]
    return clips, split_rows(clips, arrays["labels"], arrays["is_test"], protocol)


def split_rows(clips: list[str], labels: np.ndarray, is_test: np.ndarray, protocol: str) -> Rows:
    """Which stored rows are in `train`, `val` and `test`.

    `validation`: a tenth of every class of the training list chooses the epoch.
    `published`: the first 90 % of both lists; the test rows choose the epoch.
    In the others no actor is in two splits. `actor_disjoint`: see `actor_splits`. `tfds`: see
    `tfds_splits`. `fold_1` to `fold_5`: see `fold_splits`.
    """
    actors = np.array([actor_of(clip) for clip in clips])
    if protocol == "actor_disjoint":
        return actor_splits(actors, labels)
    if protocol == "tfds":
        return tfds_splits(actors, np.isin(clips, TFDS_LEAVES_OUT))
    if protocol in FOLDS:
        return fold_splits(actors, FOLDS[protocol])
    train, test = np.flatnonzero(is_test == 0), np.flatnonzero(is_test == 1)
    if protocol == "published":
        test = first_share(test)
        return {"train": first_share(train), "val": test, "test": test}
    rest, val = stratified(labels[train], VAL_SHARE, SEED)
    return {"train": train[rest], "val": train[val], "test": test}


def actor_splits(actors: np.ndarray, labels: np.ndarray) -> Rows:
    """A tenth of the actors for `val`, a tenth for `test`, the others for `train`.

    actors, labels (N,). Of 1,000 random choices, always the same, the one whose counts of every
    class in `val` and `test` come nearest to a tenth of all, by the sum of absolute differences.
    """
    names, actor = np.unique(actors, return_inverse=True)
    counts = np.zeros((len(names), int(labels.max()) + 1))
    np.add.at(counts, (actor, labels), 1)
    share = max(1, round(ACTOR_SHARE * len(names)))
    random = np.random.RandomState(SEED)
    drawn = [random.permutation(len(names))[: 2 * share] for _ in range(CANDIDATES)]
    sums = np.stack([counts[c].reshape(2, share, -1).sum(1) for c in drawn])
    misfit = np.abs(sums - ACTOR_SHARE * counts.sum(0)).sum((1, 2))
    val, test = drawn[int(misfit.argmin())].reshape(2, share)
    return _rows(actors, names[val], names[test])


def tfds_splits(actors: np.ndarray, left_out: np.ndarray) -> Rows:
    """The splits of TensorFlow Datasets 4.9 (`crema_d` 1.0.0): 5,144, 738 and 1,556 clips.

    actors (N,), left_out (N,) bool. The sorted actors in the order of numpy's shuffle with seed 0:
    the first 70 % train, the next 10 % validate, the last 20 % test.
    """
    names = np.unique(actors)
    np.random.RandomState(SEED).shuffle(names)
    first, second = (len(names) * percent // 100 for percent in TFDS_PERCENT)
    rows = _rows(actors, names[first:second], names[second:])
    return {split: index[~left_out[index]] for split, index in rows.items()}


def fold_splits(actors: np.ndarray, number: int) -> Rows:
    """Fold 1 to 5 of a cross-validation over actors (N,): all clips of an actor in one split.

    The sorted actors are cut into as many groups of consecutive numbers, of 19, 18, 18, 18 and 18
    actors. The group of this number tests, the next one validates, the others train.
    """
    groups = np.array_split(np.unique(actors), len(FOLDS))
    return _rows(actors, groups[number % len(FOLDS)], groups[number - 1])


def _rows(actors: np.ndarray, val: np.ndarray, test: np.ndarray) -> Rows:
    """The rows of these actors, and of the others for `train`."""
    is_val, is_test = np.isin(actors, val), np.isin(actors, test)
    chosen = {"train": ~(is_val | is_test), "val": is_val, "test": is_test}
    return {split: np.flatnonzero(rows) for split, rows in chosen.items()}
