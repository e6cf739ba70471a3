"""Finds the raw files of AVE and reads all of them but the features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.ave.release import (
    PARTS,
    SECONDS,
    Annotation,
    AveRelease,
    categories,
    read_annotations,
)
from datasets.errors import DataError
from datasets.raw.fetch import sources_of
from datasets.raw.find import found_files
from datasets.raw.hdf5 import opened, read_chunks

KEY = "avadataset"
FEATURES = {"audio": "audio_feature.h5", "visual": "visual_feature.h5"}
ORDERS = {part: f"{part}_order.h5" for part in PARTS}
ANNOTATIONS = "Annotations.txt"
LABELS = ("labels.h5", "right_labels.h5", "right_label.h5")
"""Published labels, of which the repaired ones go by two names. They are compared, not used."""


@dataclass(frozen=True)
class RawAve:
    """`files` by name; `rows` of each split, sorted, int64; `labels` (N, 10) uint8 of all rows."""

    files: dict[str, Path]
    rows: dict[str, np.ndarray]
    labels: np.ndarray
    differing: dict[str, list[int]]
    """For each file of published labels, the rows in which it says something else."""


def find_raw(places: Sequence[Path]) -> dict[str, Path]:
    """The raw files by name; raises DataError listing the missing ones and where to get them."""
    required = [*FEATURES.values(), *ORDERS.values(), ANNOTATIONS]
    found = found_files(places, {*required, *LABELS})
    if missing := [name for name in required if name not in found]:
        looked_in = ", ".join(map(str, places)) or "no folder"
        addresses = ", ".join(url for source in sources_of("ave") for url in source.urls)
        raise DataError(
            f"AVE: {', '.join(missing)} missing (looked in: {looked_in}); nothing is downloaded "
            f"for AVE: fetch the files from {addresses} and name their folder with --raw DIR"
        )
    return found


def read_raw(files: dict[str, Path], release: AveRelease) -> RawAve:
    """Reads orders and labels and checks the shapes of the features; raises DataError."""
    for modality, name in FEATURES.items():
        with opened(files[name], KEY, (release.rows, *release.shapes[modality])):
            pass  # wrong files are named before the first long wait
    annotations = read_annotations(files[ANNOTATIONS])
    _check_annotations(files[ANNOTATIONS], annotations, release)
    labels = segment_labels(annotations)
    published = {name: files[name] for name in LABELS if name in files}
    differing = {n: _differing(path, labels, release) for n, path in published.items()}
    return RawAve(files, _split_rows(files, release), labels, differing)


def segment_labels(annotations: Sequence[Annotation]) -> np.ndarray:
    """The class of every second, (N, 10) uint8; background is the last class."""
    names = categories(annotations)
    labels = np.full((len(annotations), SECONDS), len(names), np.uint8)
    for row, annotation in zip(labels, annotations, strict=True):
        row[annotation.start : annotation.end] = names.index(annotation.category)
    return labels


def _check_annotations(path: Path, annotations: list[Annotation], release: AveRelease) -> None:
    found = (len(annotations), len(categories(annotations)))
    if found != (release.rows, release.categories):
        raise DataError(
            f"{path} has {found[0]} clips in {found[1]} categories; "
            f"expected {release.rows} in {release.categories}"
        )


def _split_rows(files: dict[str, Path], release: AveRelease) -> dict[str, np.ndarray]:
    """The rows of each split, sorted; together they are all rows, each once."""
    rows, seen = {}, np.zeros(release.rows, bool)
    for part, name in ORDERS.items():
        with opened(files[name], "order", (release.clips[part],), "iu") as array:
            order = np.sort(array[...].astype(np.int64))
        outside = order[(order < 0) | (order >= release.rows)]
        if len(outside):
            last = release.rows - 1
            raise DataError(f"{files[name]} names row {outside[0]}; rows are 0 to {last}")
        repeated = order[seen[order] | (np.diff(order, prepend=-1) == 0)]
        if len(repeated):
            raise DataError(f"{files[name]} names row {repeated[0]} for the second time")
        seen[order], rows[part] = True, order
    return rows


def _differing(path: Path, labels: np.ndarray, release: AveRelease) -> list[int]:
    """The rows in which one-hot labels (N, 10, classes) are not `labels`."""
    one_hot = np.eye(release.categories + 1)
    shape = (*labels.shape, len(one_hot))
    return [
        int(row)
        for rows, values in read_chunks(path, KEY, shape, np.arange(len(labels)), "fiu")
        for row in rows[(values != one_hot[labels[rows]]).any((1, 2))]
    ]
