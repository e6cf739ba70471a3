"""Atomic files: the old content or the new, and no litter."""

from __future__ import annotations

import errno
import os

import pytest

from benchmarks.records.files import check_writable, set_aside, write_text


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"No space left.*f\.txt"),
        (KeyboardInterrupt(), None),
    ],
)
def test_a_broken_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch, error, raised):
    path = tmp_path / "f.txt"
    write_text(path, "old")

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error), match=raised):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.txt"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        check_writable(tmp_path / "file" / "results")
    check_writable(tmp_path / "new" / "results")
    assert list((tmp_path / "new" / "results").iterdir()) == []


@pytest.mark.parametrize("earlier", ["file", "folder"])
@pytest.mark.parametrize("now", ["file", "folder"])
def test_what_is_set_aside_takes_the_place_of_nothing(now, earlier, tmp_path):
    def make(path, kind):
        path = path / "content" if kind == "folder" else path
        path.parent.mkdir(exist_ok=True)
        path.write_text(kind)

    make(tmp_path / "f.json.damaged", earlier)
    before = sorted(tmp_path.rglob("*"))
    for number in (2, 3):
        make(tmp_path / "f.json", now)
        assert set_aside(tmp_path / "f.json") == tmp_path / f"f.json.damaged{number}"
    assert not (tmp_path / "f.json").exists()
    assert set(before) < set(tmp_path.rglob("*"))
