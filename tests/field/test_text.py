"""A list reads the same however an editor or a spreadsheet has saved it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from datasets.ave.raw import read_annotations
from datasets.cremad.raw import read_pointers, read_split_lists
from datasets.raw.content import read_text

ANNOTATIONS = "Category&VideoID&Quality&StartTime&EndTime\nBark&v0&good&0&10\nGoat&v1&good&2&5\n"
TRAIN, TEST = "1001_DFA_ANG_XX,ANG\n1002_IEO_HAP_LO,HAP\n", "1003_TIE_NEU_XX,NEU\n"
SUMS = "clip,wav_bytes,wav_sha256,flv_bytes,flv_sha256\n1001_DFA_ANG_XX,7,ab,8,cd\n"
SAVED = {
    "as published": lambda text: text.encode(),
    "mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "mark and CR LF": lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "blank lines": lambda text: ("\n" + text.replace("\n", "\n\n")).encode(),
    "DOS end of file": lambda text: text.encode() + b"\x1a",
    "gzipped": lambda text: gzip.compress(text.encode()),
}
SEPARATED = {
    "semicolons": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "quotes": lambda text: text.replace(",", '","').replace("\n", '"\n"')[:-1].join(['"', ""]),
    "blanks": lambda text: text.replace(",", " , "),
}


def lists_in(folder: Path, write) -> dict[str, list[str]]:
    paths = {}
    for part, text in (("train", TRAIN), ("test", TEST)):
        paths[part] = folder / f"{part}.csv"
        paths[part].write_bytes(write(text))
    return read_split_lists(paths)


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize("header", [True, False])
def test_annotations(tmp_path: Path, how: str, header: bool) -> None:
    path = tmp_path / "Annotations.txt"
    text = ANNOTATIONS if header else ANNOTATIONS.partition("\n")[2]
    path.write_bytes(SAVED[how](text))
    found = [(one.category, one.video_id, one.start, one.end) for one in read_annotations(path)]
    assert found == [("Bark", "v0", 0, 10), ("Goat", "v1", 2, 5)]


@pytest.mark.parametrize("how", SAVED)
def test_split_lists(tmp_path: Path, how: str) -> None:
    expected = {"train": ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO"], "test": ["1003_TIE_NEU_XX"]}
    assert lists_in(tmp_path, SAVED[how]) == expected


@pytest.mark.parametrize("how", SEPARATED)
def test_split_lists_of_a_spreadsheet(tmp_path: Path, how: str) -> None:
    found = lists_in(tmp_path, lambda text: SEPARATED[how](text).encode())
    assert found["train"] == ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO"]


@pytest.mark.parametrize("how", SAVED)
def test_official_sums(tmp_path: Path, how: str) -> None:
    path = tmp_path / "cremad_lfs_manifest.csv"
    path.write_bytes(SAVED[how](SUMS))
    found = read_pointers(path)
    assert (found["1001_DFA_ANG_XX", "wav"].bytes, found["1001_DFA_ANG_XX", "flv"].sha256) == (
        7,
        "cd",
    )


def test_text_ends_its_lines_in_one_way(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(path) == "a\nb\nc\n"
