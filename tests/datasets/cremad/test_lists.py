"""Split lists and official sums: read as published, refused with the line where they are wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from datasets.cremad.raw import (
    Pointer,
    actor_of,
    check_label_list,
    find_raw,
    label_of,
    read_pointers,
    read_split_lists,
)
from datasets.cremad.stand_in import write_lists
from datasets.errors import DataError

TRAIN = ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO", "1003_TIE_NEU_XX"]
TEST = ["1091_MTI_SAD_XX"]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "lists").mkdir()
    write_lists(tmp_path / "lists", TRAIN, TEST)
    return tmp_path


def test_lists_keep_their_order(raw: Path) -> None:
    assert b"\r\n" in (raw / "lists" / "train.csv").read_bytes()
    assert read_split_lists(find_raw([raw]).lists) == {"train": TRAIN, "test": TEST}
    assert [label_of(clip) for clip in TRAIN + TEST] == [5, 1, 0, 2]
    assert [actor_of(clip) for clip in TRAIN + TEST] == [1001, 1002, 1003, 1091]


def test_lists_of_other_datasets_are_passed_over(raw: Path) -> None:
    (raw / "another").mkdir()
    (raw / "another" / "train.csv").write_text("video,label\nabc,3\n")
    assert find_raw([raw]).lists["train"] == raw / "lists" / "train.csv"


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_list_is_named_with_its_source(raw: Path, part: str) -> None:
    (raw / "lists" / f"{part}.csv").unlink()
    with pytest.raises(DataError, match=rf"^{part}\.csv, .* missing in .*; get it from https://gi"):
        find_raw([raw])


@pytest.mark.parametrize(
    ("train", "text"),
    [
        ("1001_DFA_ANG_XX,HAP\r\n", r"train\.csv line 1: label HAP, but the file name .* says ANG"),
        ("1001_DFA_ANG_XX,ANG\n\n1001_DFA_ANG_XX,ANG\n", r"line 2: .* already listed in .*train"),
        ("1091_MTI_SAD_XX,SAD\n", r"test\.csv line 1: .* is already listed in .*train\.csv line 1"),
        ("1001_DFA_ANG_XX\n", r"line 1: '1001_DFA_ANG_XX' is not a clip with its emotion"),
        (
            "1001_DFA_JOY_XX,JOY\n",
            "with its emotion; expected as 1001_DFA_ANG_XX,ANG",
        ),
        ("../../etc/passwd,ANG\n", "is not a clip with its emotion"),
        ("\n", r"train\.csv lists no clip"),
        ("", r"train\.csv is empty"),
        ("\xfc\xfe", r"train\.csv cannot be read"),
    ],
)
def test_a_wrong_line_is_named(raw: Path, train: str, text: str) -> None:
    (raw / "lists" / "train.csv").write_bytes(train.encode("latin1"))
    with pytest.raises(DataError, match=text):
        read_split_lists(find_raw([raw]).lists)


def test_the_label_list_must_name_the_six_emotions(raw: Path) -> None:
    stat = find_raw([raw]).labels
    check_label_list(stat)
    stat.write_text("NEU\nHAP\n")
    with pytest.raises(DataError, match=r"stat\.csv lists NEU, HAP; the emotions are NEU, HAP, S"):
        check_label_list(stat)


def test_official_sums_are_read_by_clip_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "cremad_lfs_manifest.csv.gz"
    text = "clip,split,wav_bytes,wav_sha256,flv_bytes,flv_sha256\n1001_DFA_ANG_XX,train,7,ab,8,cd\n"
    path.write_bytes(gzip.compress(text.encode()))
    found = read_pointers(path)
    assert found["1001_DFA_ANG_XX", "wav"] == Pointer(7, "ab")
    assert found["1001_DFA_ANG_XX", "flv"] == Pointer(8, "cd")


@pytest.mark.parametrize("content", [b"", b"clip\n1\n", b"\x1f\x8bxx"])
def test_a_damaged_list_of_sums_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cremad_lfs_manifest.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="list of official sizes and checksums"):
        read_pointers(path)


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*nowhere; --raw needs an existing folder"):
        find_raw([tmp_path / "nowhere"])
