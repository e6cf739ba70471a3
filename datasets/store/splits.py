"""Which samples are in which split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from datasets.store.manifest import digest_of

PUBLISHED_SHARE = 0.9
"""The published code uses the first 90 % of the training and of the test rows
(AGM_ICCV2023@5a65542, dataloader/AVMNIST_loader.py:45-70, CREMAD_loader.py:95-119)."""


def first_share(rows: np.ndarray, share: float = PUBLISHED_SHARE) -> np.ndarray:
    """The first `share` of the rows, rounded down."""
    # int(0.9 * 10) is 9 by luck: the product is rounded before it is cut.
    return rows[: math.floor(round(share * len(rows), 6))]


def stratified(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows 0..N-1 in two parts, sorted: the rest, and about `share` of every class.

    labels (N,). Every class gives floor(share * its rows) or one more, so that the second part has
    round(share * N) rows; which, is drawn with `seed`.
    """
    random = np.random.RandomState(seed)
    classes, counts = np.unique(labels, return_counts=True)
    quotas = np.floor(share * counts).astype(int)
    missing = round(share * len(labels)) - int(quotas.sum())
    neediest = np.argsort(quotas - share * counts, kind="stable")[:missing]
    quotas[neediest] += 1
    drawn = [
        random.permutation(np.flatnonzero(labels == label))[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    second = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(len(labels)), second), second


def split_fingerprint(**ids: Sequence[object]) -> str:
    """Identifies which samples are in `train`, `val` and `test`, in order (64 hex digits).

    `ids` are the samples' names, the publishers' own where there are any.
    """
    return digest_of({split: [str(name) for name in names] for split, names in ids.items()})
