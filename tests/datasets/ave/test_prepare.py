"""Raw AVE files -> the prepared folder: what is stored, and what is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets import registry
from datasets.errors import DataError
from datasets.raw import hdf5
from datasets.store import arrays
from datasets.store.manifest import read_manifest
from tests.datasets.ave.files import RELEASE, SmallAve, content, prepare, rewrite, write_raw

ROWS = RELEASE.rows


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw")


def stored(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy")


def test_every_split_holds_its_rows_of_the_published_arrays(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "ave")
    audio, visual = content(raw / "audio_feature.h5"), content(raw / "visual_feature.h5")
    for part, count in RELEASE.clips.items():
        rows = np.sort(content(raw / f"{part}_order.h5", "order"))
        assert len(rows) == count
        assert np.array_equal(stored(tmp_path / "ave", f"rows_{part}"), rows)
        assert np.array_equal(stored(tmp_path / "ave", f"audio_{part}"), audio[rows])
        full = stored(tmp_path / "ave", f"visual_full_{part}")
        assert full.dtype == np.float16 and np.array_equal(full, visual[rows].astype(np.float16))
        mean = stored(tmp_path / "ave", f"visual_mean_{part}")
        np.testing.assert_allclose(mean, visual[rows].mean((2, 3)), rtol=1e-5)
        assert mean.dtype == np.float32


@pytest.mark.parametrize("kind", ["float16", "float64", "chunked and packed"])
def test_the_type_and_layout_of_the_published_file_do_not_matter(
    raw: Path, tmp_path: Path, kind: str
) -> None:
    path = raw / "visual_feature.h5"
    array = content(path).astype(np.float16)
    options = {"chunks": (5, 10, 2, 2, 32), "compression": "gzip"} if "packed" in kind else {}
    rewrite(path, array.astype(np.float32 if options else kind), **options)
    prepare(raw, tmp_path / "ave")
    rows = stored(tmp_path / "ave", "rows_train")
    assert np.array_equal(stored(tmp_path / "ave", "visual_full_train"), array[rows])


def test_the_size_of_the_chunks_does_not_matter(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(raw, tmp_path / "one")
    monkeypatch.setattr(hdf5, "CHUNK", 7)
    prepare(raw, tmp_path / "two")
    assert read_manifest(tmp_path / "one").arrays == read_manifest(tmp_path / "two").arrays


def test_the_features_are_never_in_memory_together(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 0
    append = arrays._append

    def watched(stream: object, digest: object, written: bytes | memoryview) -> None:
        nonlocal largest
        largest = max(largest, memoryview(written).nbytes)
        append(stream, digest, written)

    monkeypatch.setattr(arrays, "_append", watched)
    monkeypatch.setattr(hdf5, "CHUNK", 4)
    prepare(raw, tmp_path / "ave")
    assert largest == 4 * 10 * 128 * 4  # four clips of audio


def test_preparing_again_does_nothing_until_the_files_change(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ave"
    assert prepare(raw, folder).fresh
    assert not prepare(raw, folder).fresh
    assert prepare(raw, folder, force=True).fresh
    before = read_manifest(folder)
    rewrite(raw / "audio_feature.h5", content(raw / "audio_feature.h5") + 1)
    assert prepare(raw, folder).fresh
    assert read_manifest(folder).fingerprint != before.fingerprint


def test_a_complete_folder_stays_without_raw_files(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ave"
    prepare(raw, folder)
    assert not registry.prepare("ave", [], folder).fresh
    (folder / "labels_val.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"audio_feature\.h5.*missing \(looked in: no folder\)"):
        registry.prepare("ave", [], folder)


def test_a_damaged_folder_is_made_again(raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ave"
    prepare(raw, folder)
    before = read_manifest(folder)
    (folder / "visual_full_test.npy").write_bytes(b"x")
    assert prepare(raw, folder).fresh
    assert read_manifest(folder).arrays == before.arrays


def test_published_labels_are_compared_and_the_difference_is_reported(
    raw: Path, tmp_path: Path
) -> None:
    labels = np.load(prepare(raw, tmp_path / "ave").folder / "labels_train.npy")
    one_hot = np.zeros((ROWS, 10, 7), np.int64)
    for part in RELEASE.clips:
        numbers = stored(tmp_path / "ave", f"labels_{part}")
        one_hot[stored(tmp_path / "ave", f"rows_{part}")] = np.eye(7)[numbers]
    rewrite(raw / "right_labels.h5", one_hot)
    one_hot[[17, 40], 3] = 0
    rewrite(raw / "labels.h5", one_hot)
    seen = prepare(raw, tmp_path / "ave")
    report = prepare(raw, tmp_path / "ave", force=True)
    assert (seen.fresh, seen.notes) == (True, report.notes)
    assert seen.manifest.fingerprint == report.manifest.fingerprint
    assert "right_labels.h5 differs from Annotations.txt in no clip" in str(report)
    assert "labels.h5 differs from Annotations.txt in 2 clips, first row 17; not used" in str(
        report
    )
    assert report.manifest.facts["differing"] == {"labels.h5": [17, 40], "right_labels.h5": []}
    assert np.array_equal(stored(tmp_path / "ave", "labels_train"), labels)


def _spoil(array: np.ndarray, row: int, value: float) -> np.ndarray:
    array = array.astype(np.float64)
    array[row, 3, 1] = value
    return array


def _order(raw: Path, part: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = raw / f"{part}_order.h5"
    rewrite(path, change(content(path, "order")), "order")


def _same_order_twice(raw: Path) -> None:
    rewrite(raw / "val_order.h5", content(raw / "test_order.h5", "order"), "order")


def _features(change: Callable[[np.ndarray], np.ndarray], name: str = "visual") -> Callable:
    path = f"{name}_feature.h5"
    return lambda raw: rewrite(raw / path, change(content(raw / path)))


def _soft_link(raw: Path) -> None:
    with h5py.File(raw / "visual_feature.h5", "a") as file:
        file.move("avadataset", "other")
        file["avadataset"] = h5py.SoftLink("/other")


def _external_link(raw: Path) -> None:
    (raw / "visual_feature.h5").rename(raw / "elsewhere.h5")
    with h5py.File(raw / "visual_feature.h5", "w") as file:
        file["avadataset"] = h5py.ExternalLink("elsewhere.h5", "avadataset")


def _virtual(raw: Path) -> None:
    (raw / "visual_feature.h5").rename(raw / "elsewhere.h5")
    layout = h5py.VirtualLayout((ROWS, 10, 2, 2, 32), np.float32)
    layout[:] = h5py.VirtualSource(str(raw / "elsewhere.h5"), "avadataset", layout.shape)
    with h5py.File(raw / "visual_feature.h5", "w") as file:
        file.create_virtual_dataset("avadataset", layout)


def _external_storage(raw: Path) -> None:
    shape = (ROWS, 10, 2, 2, 32)
    (raw / "values").write_bytes(bytes(int(np.prod(shape)) * 4))
    where = [(str(raw / "values"), 0, h5py.h5f.UNLIMITED)]
    with h5py.File(raw / "visual_feature.h5", "w") as file:
        file.create_dataset("avadataset", shape, np.float32, external=where)


def _group(raw: Path) -> None:
    with h5py.File(raw / "visual_feature.h5", "w") as file:
        file.create_group("avadataset")


def _truncate(raw: Path) -> None:
    path = raw / "visual_feature.h5"
    os.truncate(path, path.stat().st_size // 2)


def _bad_chunk(raw: Path) -> None:
    path = raw / "visual_feature.h5"
    array = content(path)
    rewrite(path, array, chunks=(1, *array.shape[1:]), compression="gzip")
    with h5py.File(path) as file:
        offset = file["avadataset"].id.get_chunk_info(20).byte_offset
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes(64))


def _edit(old: str, new: str) -> Callable[[Path], None]:
    def change(raw: Path) -> None:
        path = raw / "Annotations.txt"
        path.write_text(path.read_text().replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (_features(lambda a: a[:, :, :1]), r"is float32 \(42, 10, 1, 2, 32\); expected"),
        (_features(lambda a: a[:-1]), r"\(41, 10, 2, 2, 32\); expected floating-point .*\(42"),
        (_features(lambda a: a.astype(np.uint8), "audio"), "'avadataset' is uint8"),
        (lambda raw: rewrite(raw / "audio_feature.h5", np.ones(3), "data"), "it holds 'data'"),
        (_soft_link, "is a link or a group"),
        (_external_link, "is a link or a group"),
        (_group, "is a link or a group"),
        (_virtual, "lies in other files"),
        (_external_storage, "lies in other files"),
        (_truncate, r"visual_feature\.h5 cannot be read as HDF5: .*truncated"),
        (_bad_chunk, r"visual_feature\.h5 cannot be read as HDF5: .*fetch the file again"),
        (lambda raw: (raw / "audio_feature.h5").write_bytes(b"<html>"), "a web page"),
        (lambda raw: (raw / "audio_feature.h5").write_bytes(b"junk"), "cannot be read as HDF5"),
        (_features(lambda a: _spoil(a, 29, np.nan)), r"visual_feature\.h5, row 29: a value is not"),
        (_features(lambda a: _spoil(a, 3, 7e4)), r"row 3: .*range of float16 \(\+-65504\.0\)"),
        (_features(lambda a: _spoil(a, 0, np.inf), "audio"), r"audio_feature\.h5, row 0: a value"),
        (lambda raw: (raw / "val_order.h5").unlink(), r"val_order\.h5 missing \(looked in"),
        (lambda raw: (raw / "Annotations.txt").unlink(), r"Annotations\.txt missing \(looked in"),
        (lambda raw: _order(raw, "val", lambda o: o[:-1]), r"is int64 \(5,\); expected whole num"),
        (lambda raw: _order(raw, "test", lambda o: o * 0 + 42), "lists row 42; rows are 0 to 41"),
        (lambda raw: _order(raw, "test", lambda o: o * 0 - 1), "lists row -1; rows are 0 to 41"),
        (lambda raw: _order(raw, "train", lambda o: o * 0 + 5), r"train_order\.h5 lists row 5 tw"),
        (_same_order_twice, r"test_order\.h5 lists row \d+ twice"),
        (lambda raw: _order(raw, "val", lambda o: o.astype(float)), "is float64"),
        (_edit("&clip0000004&good", "&clip0000004"), r"Annotations\.txt, line 5: found 'event"),
        (_edit("good&", "good&x"), r"line 1: the event lasts from x\d to \d"),
        (_edit("good", "good&0&10\nevent 0&more&good"), "has 43 clips in 6 categories"),
        (lambda raw: (raw / "Annotations.txt").write_bytes(b"\xfc\xff"), "not text in UTF-8"),
        (lambda raw: (raw / "Annotations.txt").write_text("\n"), "holds no annotation"),
        (lambda raw: rewrite(raw / "labels.h5", np.ones((42, 10))), r"labels\.h5: .* expected"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_clear_line(
    raw: Path, tmp_path: Path, damage: Callable[[Path], object], text: str
) -> None:
    damage(raw)
    with pytest.raises(DataError, match=text) as error:
        prepare(raw, tmp_path / "new" / "ave")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "new").glob("*"))


def test_the_real_release_must_have_the_published_shape(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected floating-point numbers \(4143, 10, 128\)"):
        registry.prepare("ave", [raw], tmp_path / "ave")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*nowhere; --raw needs"):
        registry.prepare("ave", [tmp_path / "nowhere"], tmp_path / "ave")


def test_raw_files_are_found_below_the_folder_and_one_by_one(raw: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.parent.mkdir(parents=True)
    raw.rename(deep)
    assert prepare(tmp_path / "a", tmp_path / "ave").fresh
    one_by_one = SmallAve().find_raw(sorted(deep.iterdir()))
    assert one_by_one == SmallAve().find_raw([tmp_path / "a"])


def test_a_full_disk_in_the_middle_leaves_the_old_data(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "ave"
    prepare(raw, folder)
    old = read_manifest(folder)
    append, calls = arrays._append, 0

    def full(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(*arguments)

    monkeypatch.setattr(arrays, "_append", full)
    with pytest.raises(DataError, match=r"cannot write .*ave: No space left on device; choose"):
        prepare(raw, folder, force=True)
    assert calls == 13 and read_manifest(folder) == old
    assert [path.name for path in folder.parent.iterdir()] == ["ave"]


def test_progress_reaches_its_total_in_every_stage(raw: Path, tmp_path: Path) -> None:
    last: dict[str, tuple[int, int]] = {}
    prepare(raw, tmp_path / "ave", progress=lambda s, d, t: last.update({s: (d, t)}))
    assert len(last) == 10 and all(done == total for done, total in last.values())
