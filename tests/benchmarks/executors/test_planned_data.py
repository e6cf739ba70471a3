"""What counts as data that was written into while a run read it."""

from __future__ import annotations

import os
import shutil

import pytest

from benchmarks.executors.planned_data import load_planned
from benchmarks.plan.workspace import with_fingerprint


@pytest.fixture
def planned(experiment, data_dir, monkeypatch, tmp_path):
    """Loaded data of its own, and the path of one of its files."""
    shutil.copytree(data_dir, tmp_path / "data")
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "data" / "stand-in" / "avmnist" / "labels_test.npy"
    return load_planned(with_fingerprint(experiment())), path


def test_a_file_that_was_only_touched_is_as_it_was(planned):
    data, path = planned
    os.utime(path, (1, 1))
    assert data.changed() == []


def test_a_file_with_other_content_of_the_same_size_is_changed(planned):
    data, path = planned
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\x01" * 8)
    assert data.changed() == [path]
