"""Annotations.txt, small and real."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.ave.raw import (
    KEY,
    Annotation,
    categories,
    read_annotations,
    read_raw,
    segment_labels,
)
from datasets.ave.spec import ORDERS, PUBLISHED
from datasets.errors import DataError
from tests.datasets.ave.files import content, rewrite

LINES = "Dog&a1&good&0&10\nCat&b2&good&3&5\n\nDog&a1&bad&4&4\r\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "Annotations.txt"
    path.write_text(text)
    return path


def test_every_line_is_a_clip(tmp_path: Path) -> None:
    assert read_annotations(written(tmp_path, LINES)) == [
        Annotation("Dog", "a1", "good", 0, 10),
        Annotation("Cat", "b2", "good", 3, 5),
        Annotation("Dog", "a1", "bad", 4, 4),
    ]


def test_names_of_columns_are_no_clip(tmp_path: Path) -> None:
    header = "Category&VideoID&Quality&StartTime&EndTime\n"
    with_header = read_annotations(written(tmp_path, header + LINES))
    assert with_header == read_annotations(written(tmp_path, LINES))


@pytest.mark.parametrize(
    "line",
    ["Dog&x&good&0", "Dog&x&good&0&1&2", "Dog&&good&0&1", "Dog&x&good&5&4", "Dog&x&good&0&11",
     "Dog&x&good&-1&4", "Dog&x&good&0.5&4"],
)  # fmt: skip
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"Annotations\.txt, line 6: .*expected "):
        read_annotations(written(tmp_path, f"{LINES}\n{line}\n"))


def test_classes_are_numbered_by_first_appearance_and_background_is_the_last(
    tmp_path: Path,
) -> None:
    annotations = read_annotations(written(tmp_path, LINES))
    assert categories(annotations) == ("Dog", "Cat")
    assert segment_labels(annotations).tolist() == [
        [0] * 10,
        [2, 2, 2, 1, 1, 2, 2, 2, 2, 2],
        [2] * 10,
    ]


@pytest.fixture(scope="module")
def real() -> Path:
    """The folder with the published lists of AVE; skips without it."""
    default = Path(__file__).parents[4] / "shared" / "data"
    root = Path(os.environ.get("MSAM_RAW_DIR") or default)
    found = sorted(root.glob("**/Annotations.txt"))
    if not found:
        pytest.skip(f"no Annotations.txt in {root}; set MSAM_RAW_DIR to the real raw files")
    return found[0].parent


@pytest.fixture(scope="module")
def labels(real: Path) -> np.ndarray:
    return segment_labels(read_annotations(real / "Annotations.txt"))


def test_labels_equal_the_published_weak_and_dense_ones(real: Path, labels: np.ndarray) -> None:
    events = content(real / "labels_closs.h5")  # 1 where the event is
    assert np.array_equal(labels != 28, events == 1) and len(labels) == 4143
    clips = content(real / "mil_labels.h5").argmax(1)  # of the event, as published
    assert all(set(row) <= {clip, 28} for row, clip in zip(labels, clips, strict=True))


def test_labels_equal_those_made_from_the_annotations_before(
    real: Path, labels: np.ndarray
) -> None:
    if not (real / "ave_labels_from_annotations.npz").exists():
        pytest.skip("no labels made before")
    before = np.load(real / "ave_labels_from_annotations.npz")["labels"]
    assert np.array_equal(before, np.eye(29)[labels])


def test_the_published_lists_pass_the_checks(
    real: Path, labels: np.ndarray, tmp_path: Path
) -> None:
    """Together with features that are only announced: an empty HDF5 array costs nothing."""
    files = {name: real / name for name in (*ORDERS.values(), "Annotations.txt")}
    for name, shape in (("audio_feature.h5", (10, 128)), ("visual_feature.h5", (10, 7, 7, 512))):
        files[name] = tmp_path / name
        with h5py.File(files[name], "w") as file:
            file.create_dataset(KEY, (4143, *shape), np.float64)
    files["right_label.h5"] = tmp_path / "right_label.h5"
    one_hot = np.eye(29, dtype=np.uint8)[labels]
    one_hot[5, 2] = np.eye(29)[3]
    rewrite(files["right_label.h5"], one_hot)
    raw = read_raw(files, PUBLISHED)
    assert {part: len(rows) for part, rows in raw.rows.items()} == dict(PUBLISHED.clips)
    assert np.array_equal(np.sort(np.concatenate(list(raw.rows.values()))), np.arange(4143))
    shares = {part: round((labels[rows] == 28).mean(), 3) for part, rows in raw.rows.items()}
    assert shares == {"train": 0.169, "val": 0.182, "test": 0.178}
    assert raw.differing == {"right_label.h5": [5]}
