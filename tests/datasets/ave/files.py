"""Generated raw files of AVE for the tests to damage."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from datasets.ave import stand_in
from datasets.ave.loader import Ave
from datasets.ave.spec import STAND_IN, Release
from datasets.loader import PrepareReport
from datasets.spec import Progress, silent

RELEASE = Release({"train": 30, "val": 6, "test": 6}, STAND_IN.shapes, 6)


class SmallAve(Ave):
    """As published, with other sizes."""

    spec, release = RELEASE.spec, RELEASE


def write_raw(folder: Path, release: Release = RELEASE, seed: int = 0) -> Path:
    """All required raw files in `folder`, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    stand_in.write_raw(folder, release, seed)
    return folder


def prepare(
    raw: Path, folder: Path, force: bool = False, progress: Progress = silent
) -> PrepareReport:
    """Prepares the small release."""
    return SmallAve().prepare([raw], folder, progress=progress, force=force)


def rewrite(path: Path, array: np.ndarray, key: str = "avadataset", **options: object) -> None:
    """Replaces an HDF5 file."""
    with h5py.File(path, "w") as file:
        file.create_dataset(key, data=array, **options)


def content(path: Path, key: str = "avadataset") -> np.ndarray:
    """The whole array of an HDF5 file."""
    with h5py.File(path, "r") as file:
        return file[key][...]
