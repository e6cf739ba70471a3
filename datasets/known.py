"""Which datasets exist, and which of them can be loaded."""

from __future__ import annotations

from datasets.avmnist import AvMnist
from datasets.errors import DataError, unknown
from datasets.loader import Loader

DATASETS = ("avmnist", "cremad", "urfunny", "ave")
"""In the order of the tables' columns."""

LOADERS: dict[str, Loader] = {"avmnist": AvMnist()}


def loader_of(name: str) -> Loader:
    """The loader of a dataset; raises DataError for a mistyped name or one without a loader."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    if name not in LOADERS:
        available = ", ".join(LOADERS)
        raise DataError(f"there is no loader for {name} yet; available: {available}")
    return LOADERS[name]
