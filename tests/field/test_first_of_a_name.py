"""Of several files with one name the right one is used, in whatever order they are found."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from datasets.ave.spec import FEATURES
from datasets.avmnist.raw import Content, Release, read_raw
from datasets.avmnist.spec import PARTS
from datasets.cremad.raw import find_raw
from datasets.cremad.spec import KINDS
from datasets.cremad.stand_in import write_clips
from datasets.errors import DataError
from datasets.raw.find import first_good, search
from datasets.urfunny.loader import UrFunny
from datasets.urfunny.stand_in import write_raw as write_urfunny
from tests.datasets.ave.files import SmallAve, write_raw
from tests.datasets.cremad.files import TEST, TRAIN, cut_out, file_of, prepared
from tests.field.test_first_bytes import PAGE, POINTER

IMAGES = "train-images-idx3-ubyte"
BAD = {"page": PAGE, "pointer": POINTER, "empty": b"", "other": b"\x89HDF\r\n\x1a\nbroken"}


@pytest.fixture(scope="session")
def shared_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cremad")
    write_clips(folder, TRAIN + TEST, np.random.RandomState(0))
    return cut_out(folder, folder / "some")


# AV-MNIST


@pytest.fixture
def pinned(raw: Path) -> Release:
    """The release whose idx files and recordings are those of `raw`."""
    found = read_raw([raw], Release({}))
    idx = {}
    for names in PARTS.values():
        for name in names:
            idx[name] = Content(
                len(gzip.decompress((raw / f"{name}.gz").read_bytes())), found.sha256[name]
            )
    return Release({}, idx=idx, recordings_sha256=found.sha256["recordings"])


def recordings_of(raw: Path) -> Path:
    return next(raw.rglob("recordings"))


def test_another_dataset_does_not_hide_mnist(raw: Path, pinned: Release) -> None:
    """torchvision keeps FashionMNIST beside MNIST, under the same names."""
    root = raw / "A" / "FashionMNIST" / "raw"
    root.mkdir(parents=True)
    names = [name for names in PARTS.values() for name in names]
    content = gzip.decompress((raw / f"{names[0]}.gz").read_bytes())
    other = gzip.compress(content[:-1] + bytes([content[-1] ^ 1]), 1)
    for name, bad in zip(names, (other, other[:-9], PAGE, b""), strict=True):
        (root / f"{name}.gz").write_bytes(bad)
    sha256 = read_raw([root.parent, raw], pinned).sha256
    assert {name: sha256[name] for name in names} == {n: c.sha256 for n, c in pinned.idx.items()}
    with pytest.raises(DataError, match="wrong checksum"):
        read_raw([root.parent, recordings_of(raw)], pinned)


def test_a_damaged_gzip_file_does_not_hide_the_unpacked_one(raw: Path, pinned: Release) -> None:
    packed = raw / f"{IMAGES}.gz"
    (raw / IMAGES).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.write_bytes(packed.read_bytes()[:-20])
    assert read_raw([raw], pinned).sha256[IMAGES] == pinned.idx[IMAGES].sha256
    (raw / IMAGES).write_bytes(b"")
    with pytest.raises(DataError, match=r"2 files can be used: \(1\) .*truncated.*\(2\) .*empty"):
        read_raw([raw], pinned)


@pytest.mark.parametrize("order", [1, -1])
def test_a_half_unpacked_folder_does_not_hide_the_archive(
    raw: Path, pinned: Release, tmp_path: Path, order: int
) -> None:
    with tarfile.open(tmp_path / "fsdd.tar.gz", "w:gz") as archive:
        archive.add(recordings_of(raw), "fsdd/recordings")
    for clip in sorted(recordings_of(raw).iterdir())[:2]:
        clip.unlink()
    found = read_raw([raw, tmp_path / "fsdd.tar.gz"][::order], pinned)
    assert found.sha256["recordings"] == pinned.recordings_sha256


# CREMA-D


@pytest.mark.parametrize("how", BAD)
def test_a_bad_clone_does_not_hide_real_clips(shared_clips: Path, tmp_path: Path, how: str) -> None:
    raw = Path(shutil.copytree(shared_clips, tmp_path / "raw" / "b"))
    clone = raw.parent / "a"
    for kind, name in KINDS.items():
        (clone / name).mkdir(parents=True)
        for clip in TRAIN:
            file_of(clone, clip, kind).write_bytes(BAD[how])
    manifest = prepared(raw.parent, tmp_path / "cremad").manifest
    assert not manifest.facts["skipped"]
    assert manifest.arrays == prepared(raw, tmp_path / "alone").manifest.arrays


def test_numbered_copies_of_clips_are_used_where_the_first_is_bad(
    shared_clips: Path, tmp_path: Path
) -> None:
    raw = Path(shutil.copytree(shared_clips, tmp_path / "raw"))
    first = file_of(raw, TRAIN[0], "wav")
    first.rename(first.with_name(f"{first.stem} (1).wav"))
    first.write_bytes(PAGE)
    assert not prepared(raw, tmp_path / "cremad").manifest.facts["skipped"]


def test_all_bad_files_of_a_clip_are_named(shared_clips: Path, tmp_path: Path) -> None:
    raw = Path(shutil.copytree(shared_clips, tmp_path / "raw"))
    file_of(raw, TRAIN[0], "wav").write_bytes(POINTER)
    (raw / "again").mkdir()
    (raw / "again" / f"{TRAIN[0]}.wav").write_bytes(PAGE)
    reason = prepared(raw, tmp_path / "cremad").manifest.facts["skipped"][TRAIN[0]]
    assert "pointer" in reason and "web page" in reason


@pytest.mark.parametrize("content", ["video,label\nabc,3\n", "", "<html>", f"{TRAIN[0]},HAP\n"])
def test_lists_that_are_no_lists_of_clips_are_passed_over(
    shared_clips: Path, tmp_path: Path, content: str
) -> None:
    raw = Path(shutil.copytree(shared_clips, tmp_path / "raw" / "b"))
    other = raw.parent / "a"
    other.mkdir()
    for name in ("train.csv", "test.csv", "cremad_lfs_manifest.csv"):
        (other / name).write_text(content)
    shutil.copy(shared_clips / "train.csv", other / "x.csv")
    (raw / "cremad_lfs_manifest.csv").write_text("clip,wav_bytes,wav_sha256,flv_bytes,flv_sha256\n")
    found = find_raw([raw.parent])
    assert found.lists == {part: raw / f"{part}.csv" for part in ("train", "test")}
    assert found.pointers == raw / "cremad_lfs_manifest.csv"


def test_lists_of_one_folder_belong_together(shared_clips: Path, tmp_path: Path) -> None:
    """Another split of the same clips: its test list holds clips of our training list."""
    raw = Path(shutil.copytree(shared_clips, tmp_path / "raw" / "b"))
    other = raw.parent / "a"
    other.mkdir()
    (other / "test.csv").write_text(f"{TRAIN[0]},{TRAIN[0].split('_')[2]}\n")
    assert find_raw([raw.parent]).lists["test"] == raw / "test.csv"


# AVE and UR-Funny


@pytest.mark.parametrize("how", BAD)
@pytest.mark.parametrize("name", ["Annotations.txt", "train_order.h5", FEATURES["visual"]])
def test_a_bad_file_does_not_hide_the_right_one_of_ave(tmp_path: Path, name: str, how: str) -> None:
    raw = write_raw(tmp_path / "raw" / "b")
    other = raw.parent / "a" / name
    other.parent.mkdir()
    other.write_bytes(BAD[how])
    assert SmallAve().find_raw([raw.parent])[name] == raw / name
    (raw / name).write_bytes(PAGE)
    with pytest.raises(DataError) as error:
        SmallAve().find_raw([raw.parent])
    assert str(other) in str(error.value) and str(raw / name) in str(error.value)


@pytest.mark.parametrize("content", [PAGE, POINTER, b"", b"\x80\x04\x95", None])
def test_a_bad_pickle_does_not_hide_the_second_download(
    tmp_path: Path, content: bytes | None
) -> None:
    write_urfunny(tmp_path / "humor.pkl", seed=0)
    (tmp_path / "humor.pkl").rename(tmp_path / "humor (1).pkl")
    if content is not None:
        (tmp_path / "humor.pkl").write_bytes(content)
    assert UrFunny().find_raw([tmp_path]) == {"humor.pkl": tmp_path / "humor (1).pkl"}


# The mechanism


def test_the_first_good_one_is_used_and_bad_ones_are_told() -> None:
    def even(number: int) -> int:
        if number % 2:
            raise DataError(f"{number} is odd")
        return 10 * number

    assert first_good("a number", [3, 4, 6], even) == 40
    with pytest.raises(DataError, match=r"^5 is odd$"):
        first_good("a number", [5], even)
    with pytest.raises(DataError, match=r"not one of 5 .*1 is odd.*3 is odd.*5 is odd; and 2 more"):
        first_good("a number", [1, 3, 5, 7, 9], even)


@pytest.mark.parametrize("folder", ["1/2/3/4/5", "1/2/3/4/5/6/7"])
def test_a_file_that_lies_too_deep_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "humor.pkl").write_bytes(b"x")
    with pytest.raises(DataError, match=rf"humor\.pkl lies in .*{folder}: name that folder"):
        UrFunny().find_raw([tmp_path])


def test_a_folder_that_is_one_too_deep_is_told(shared_clips: Path) -> None:
    with pytest.raises(DataError, match=rf"train\.csv lies in {shared_clips}: name that folder"):
        find_raw([shared_clips / "AudioWAV"])


def test_a_folder_that_cannot_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def denied(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match="closed cannot be opened: no permission"):
        UrFunny().find_raw([tmp_path])
    with pytest.raises(DataError, match=r"closed cannot be read: Permission denied; .* right"):
        search([tmp_path / "closed"])
