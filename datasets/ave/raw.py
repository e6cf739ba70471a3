"""Reads the raw files of AVE: annotations, orders and labels. The features are only checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets.ave.spec import ANNOTATIONS, FEATURES, LABELS, ORDERS, SECONDS, Release
from datasets.errors import DataError
from datasets.raw.content import read_text
from datasets.raw.hdf5 import opened, read_chunks

KEY = "avadataset"
HEADER = "Category&"  # some copies of the file begin with the names of its columns


class Annotation(NamedTuple):
    """One clip of 10 s. Its event can be seen and heard in the seconds [start, end).

    One published clip has an empty event, 0 to 0.
    """

    category: str
    video_id: str
    quality: str
    start: int
    end: int


def read_annotations(path: Path) -> list[Annotation]:
    """The clips in the order of the file, which is that of the published features' rows.

    A video may occur several times. Raises DataError naming the first wrong line.
    """
    lines = read_text(path).splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if numbered and numbered[0][1].startswith(HEADER):
        del numbered[0]
    if not numbered:
        raise DataError(f"{path} holds no annotation; expected lines {_form()}")
    return [_parsed(line, f"{path}, line {number}") for number, line in numbered]


def categories(annotations: Sequence[Annotation]) -> tuple[str, ...]:
    """The event categories, numbered by first appearance; the next number means background."""
    return tuple(dict.fromkeys(annotation.category for annotation in annotations))


def _parsed(line: str, where: str) -> Annotation:
    fields = [field.strip() for field in line.split("&")]
    if len(fields) != len(Annotation._fields) or not all(fields):
        raise DataError(f"{where}: found {line[:80]!r}; expected {_form()}")
    category, video_id, quality, start, end = fields
    if not (_is_second(start) and _is_second(end) and int(start) <= int(end)):
        raise DataError(
            f"{where}: the event lasts from {start} to {end}; "
            f"expected whole seconds, 0 <= start <= end <= {SECONDS}"
        )
    return Annotation(category, video_id, quality, int(start), int(end))


def _is_second(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(SECONDS)) and int(text) <= SECONDS


def _form() -> str:
    return "Category&id&quality&start&end"


@dataclass(frozen=True)
class RawAve:
    """`files` by name; sorted `rows` (K,) int64 of each part; `labels` (N, 10) uint8 of all rows.

    `differing` gives, for each file of published labels, the rows in which it differs.
    """

    files: Mapping[str, Path]
    rows: dict[str, np.ndarray]
    labels: np.ndarray
    differing: dict[str, list[int]]


def read_raw(files: Mapping[str, Path], release: Release) -> RawAve:
    """Reads orders and labels and checks the shapes of the features; raises DataError."""
    for name, path in files.items():
        check_file(name, path, release)
    annotations = read_annotations(files[ANNOTATIONS])
    labels = segment_labels(annotations)
    published = {name: files[name] for name in LABELS if name in files}
    differing = {n: _differing(path, labels, release) for n, path in published.items()}
    return RawAve(files, _split_rows(files, release), labels, differing)


def check_file(name: str, path: Path, release: Release) -> None:
    """Raises DataError unless the file holds what the raw file `name` of the release does.

    The features are not read.
    """
    if name == ANNOTATIONS:
        _check_annotations(path, read_annotations(path), release)
        return
    parts = {order: part for part, order in ORDERS.items()}
    modalities = {features: modality for modality, features in FEATURES.items()}
    key, kinds = KEY, "f"
    shape: tuple[int, ...]
    if name in parts:
        key, shape, kinds = "order", (release.clips[parts[name]],), "iu"
    elif name in modalities:
        shape = (release.rows, *release.shapes[modalities[name]])
    else:
        shape, kinds = (release.rows, SECONDS, release.categories + 1), "fiu"
    with opened(path, key, shape, kinds):
        pass


def segment_labels(annotations: Sequence[Annotation]) -> np.ndarray:
    """The class of every second, (N, 10) uint8; background is the last class."""
    names = categories(annotations)
    labels = np.full((len(annotations), SECONDS), len(names), np.uint8)
    for row, annotation in zip(labels, annotations, strict=True):
        row[annotation.start : annotation.end] = names.index(annotation.category)
    return labels


def _check_annotations(path: Path, annotations: list[Annotation], release: Release) -> None:
    found = (len(annotations), len(categories(annotations)))
    if found != (release.rows, release.categories):
        raise DataError(
            f"{path} has {found[0]} clips in {found[1]} categories; "
            f"expected {release.rows} in {release.categories}"
        )


def _split_rows(files: Mapping[str, Path], release: Release) -> dict[str, np.ndarray]:
    """The rows of each split, sorted; together they are all rows, each once."""
    rows, seen = {}, np.zeros(release.rows, bool)
    for part, name in ORDERS.items():
        with opened(files[name], "order", (release.clips[part],), "iu") as array:
            order = np.sort(array[...].astype(np.int64))
        outside = order[(order < 0) | (order >= release.rows)]
        if len(outside):
            last = release.rows - 1
            raise DataError(f"{files[name]} lists row {outside[0]}; rows are 0 to {last}")
        repeated = order[seen[order] | (np.diff(order, prepend=-1) == 0)]
        if len(repeated):
            raise DataError(f"{files[name]} lists row {repeated[0]} twice")
        seen[order], rows[part] = True, order
    return rows


def _differing(path: Path, labels: np.ndarray, release: Release) -> list[int]:
    """The rows in which one-hot labels (N, 10, classes) are not `labels`."""
    one_hot = np.eye(release.categories + 1)
    shape = (*labels.shape, len(one_hot))
    return [
        int(row)
        for rows, values in read_chunks(path, KEY, shape, np.arange(len(labels)), "fiu")
        for row in rows[(values != one_hot[labels[rows]]).any((1, 2))]
    ]
