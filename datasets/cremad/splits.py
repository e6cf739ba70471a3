"""Which stored clips are in which split of CREMA-D."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.cremad.raw import actor_of
from datasets.store.arrays import read_arrays
from datasets.store.manifest import Manifest
from datasets.store.splits import first_share, stratified

SEED = 0
VAL_SHARE = ACTOR_SHARE = 0.1
CANDIDATES = 1000

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
    `actor_disjoint`: no actor is in two splits; see `actor_splits`.
    """
    if protocol == "actor_disjoint":
        return actor_splits(np.array([actor_of(clip) for clip in clips]), labels)
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
    rows = {"val": np.isin(actor, val), "test": np.isin(actor, test)}
    rows = {"train": ~(rows["val"] | rows["test"]), **rows}
    return {split: np.flatnonzero(chosen) for split, chosen in rows.items()}
