"""Reads the HDF5 files of AVE: one array each, checked before it is read.

HDF5 holds plain arrays and h5py unpickles nothing; a file could still name other files to read
from, which is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from datasets.errors import DataError
from datasets.raw.content import check_file

CHUNK = 16  # clips read at a time: 32 MB of the published visual features in float64


@contextmanager
def opened(
    path: Path, key: str, shape: tuple[int, ...], kinds: str = "f"
) -> Iterator[h5py.Dataset]:
    """The array `key` of a file, not read yet, of this shape and of a type of these dtype kinds.

    Raises DataError for a file that is damaged or holds something else, also while it is read.
    """
    check_file(path, {"an HDF5 file"})
    try:
        with h5py.File(path, "r") as file:
            yield _checked(file, path, key, shape, kinds)
    except (OSError, RuntimeError, KeyError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path} cannot be read as HDF5: {reason}; fetch the file again") from error


def _checked(
    file: h5py.File, path: Path, key: str, shape: tuple[int, ...], kinds: str
) -> h5py.Dataset:
    link = file.get(key, getlink=True) if key in file else None
    if link is None:
        found = ", ".join(map(repr, file)) or "nothing"
        raise DataError(f"{path} has no array {key!r}; it holds {found}")
    if not isinstance(link, h5py.HardLink) or not isinstance(file[key], h5py.Dataset):
        raise DataError(f"{path}: {key!r} is a link or a group; expected an array")
    array = file[key]
    if array.is_virtual or array.external:
        raise DataError(f"{path}: {key!r} lies in other files; expected an array in this one")
    if array.shape != shape or array.dtype.kind not in kinds:
        expected = "floating-point" if kinds == "f" else "whole"
        raise DataError(
            f"{path}: {key!r} is {array.dtype} {array.shape}; expected {expected} numbers {shape}"
        )
    return array


def read_chunks(
    path: Path, key: str, shape: tuple[int, ...], rows: np.ndarray, kinds: str = "f"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The sorted `rows` of the array, a few at a time: (row numbers, values)."""
    with opened(path, key, shape, kinds) as array:
        for start in range(0, len(rows), CHUNK):
            chosen = rows[start : start + CHUNK]
            yield chosen, array[chosen]


def narrowed(
    values: np.ndarray, dtype: type[np.floating], rows: np.ndarray, where: str
) -> np.ndarray:
    """`values` in the type they are stored in.

    Raises DataError that names the first row with a value that is not finite in this type.
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype)
    wrong = ~np.isfinite(narrow).reshape(len(narrow), -1).all(1)
    if wrong.any():
        largest = np.finfo(dtype).max
        raise DataError(
            f"{where}, row {rows[wrong.argmax()]}: a value is not finite or leaves "
            f"the range of {np.dtype(dtype)} (+-{largest}); fetch the file again"
        )
    return narrow
