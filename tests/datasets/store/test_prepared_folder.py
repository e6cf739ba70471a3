"""A prepared folder is complete or absent, verified on loading, and never takes foreign files."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from datasets import registry
from datasets.errors import DataError
from datasets.store.arrays import Streamed, read_arrays, write_store
from datasets.store.manifest import FILE, read_manifest

ARRAYS = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.array([1.5], np.float32)}
ABOUT = dict(dataset="toy", stand_in=True, recipe={}, raw={}, facts={}, fingerprint="f")


def break_file(path: Path) -> None:
    """Changes one byte without changing the size."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_arrays_come_back_as_written(tmp_path: Path) -> None:
    written = write_store(tmp_path / "x", ARRAYS, **ABOUT)
    assert read_manifest(tmp_path / "x") == written
    arrays = read_arrays(tmp_path / "x", written, "")
    assert all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())


def test_a_new_preparation_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_store(tmp_path / "x", ARRAYS, **ABOUT)
    write_store(tmp_path / "x", {"a": ARRAYS["b"]}, **ABOUT)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npy", FILE, "x"]


@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "rename"), (Path, "mkdir")])
def test_a_full_disk_leaves_the_old_data_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, call: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    old = write_store(tmp_path / "x", ARRAYS, **ABOUT)
    monkeypatch.setattr(owner, call, full)
    with pytest.raises(DataError, match=r"cannot write .*x: No space left on device"):
        write_store(tmp_path / "x", {"a": ARRAYS["b"]}, **ABOUT)
    monkeypatch.undo()
    assert read_manifest(tmp_path / "x") == old
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_failed_exchange_puts_the_old_data_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def only_the_old(self: Path, target: Path) -> Path:
        if self.name.startswith(".") and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    old = write_store(tmp_path / "x", ARRAYS, **ABOUT)
    monkeypatch.setattr(Path, "rename", only_the_old)
    with pytest.raises(DataError, match="Input/output error"):
        write_store(tmp_path / "x", {"a": ARRAYS["b"]}, **ABOUT)
    assert read_manifest(tmp_path / "x") == old


def test_an_interrupt_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "x", ARRAYS, **ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file is a file; prepared data needs"):
        write_store(tmp_path / "file" / "x", ARRAYS, **ABOUT)


def test_other_files_in_the_target_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds other files \(notes\.txt"):
        write_store(tmp_path, ARRAYS, **ABOUT)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda folder: (folder / "labels_test.npy").unlink(),
            "labels_test.npy is missing; delete the folder",
        ),
        (lambda folder: (folder / "labels_test.npy").write_bytes(b""), "has 0 bytes instead of"),
        (lambda folder: (folder / FILE).unlink(), "not prepared in"),
        (lambda folder: (folder / FILE).write_text("{"), "cannot be read"),
        (lambda folder: (folder / FILE).write_text("[]"), "has format None"),
        (lambda folder: (folder / FILE).write_bytes(b"\xff"), "cannot be read"),
    ],
)
def test_damage_shows_in_the_state_and_stops_loading(stand_in: Path, damage, text: str) -> None:
    damage(stand_in)
    state = registry.prepared_state("avmnist", stand_in)
    assert (state.state, state.fingerprint) == ("damaged", None)
    assert text in state.detail
    for use in (registry.load, registry.fingerprint):
        with pytest.raises(DataError):
            use("avmnist", stand_in, {})


def test_a_manifest_edited_by_hand_is_damaged(stand_in: Path) -> None:
    fields = json.loads((stand_in / FILE).read_text())
    fields["stand_in"] = False
    (stand_in / FILE).write_text(json.dumps(fields))
    detail = registry.prepared_state("avmnist", stand_in).detail
    assert "its own checksum does not fit" in detail


def test_data_of_an_older_recipe_must_be_prepared_again(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.LOADERS["avmnist"], "recipe_version", 99)
    state = registry.prepared_state("avmnist", stand_in)
    assert (state.state, "another version" in state.detail) == ("damaged", True)


def test_a_streamed_array_is_stored_like_one_in_memory(tmp_path: Path) -> None:
    whole = np.arange(60, dtype=np.float16).reshape(10, 3, 2)
    chunks = (whole[start : start + 4] for start in (0, 4, 8))
    streamed = write_store(
        tmp_path / "x", {"a": Streamed((10, 3, 2), whole.dtype, chunks)}, **ABOUT
    )
    assert streamed.arrays == write_store(tmp_path / "y", {"a": whole}, **ABOUT).arrays
    assert np.array_equal(np.load(tmp_path / "x" / "a.npy"), whole)


@pytest.mark.parametrize(
    "chunks", [[np.zeros((2, 3), np.float32)], [np.zeros((4, 2))], [np.zeros((4, 3), np.float64)]]
)
def test_a_stream_that_is_not_what_was_announced_leaves_nothing(tmp_path: Path, chunks) -> None:
    with pytest.raises(ValueError, match=r"a\.npy"):
        write_store(tmp_path / "x", {"a": Streamed((4, 3), np.dtype("f4"), chunks)}, **ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_only_the_arrays_asked_for_are_read(tmp_path: Path) -> None:
    written = write_store(tmp_path / "x", ARRAYS, **ABOUT)
    break_file(tmp_path / "x" / "a.npy")
    assert list(read_arrays(tmp_path / "x", written, "", ["b"])) == ["b"]
