"""Which stored rows are in which split of AV-MNIST."""

from __future__ import annotations

import numpy as np

from datasets.store.manifest import Manifest
from datasets.store.splits import first_share

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
