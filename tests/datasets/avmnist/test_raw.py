"""Raw files of AV-MNIST: found in any sensible place, and one clear line for what is wrong."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.avmnist.raw import PUBLISHED, Content, RawAvMnist, Release, read_raw
from datasets.errors import DataError
from datasets.raw.idx import pack_idx

ANY = Release(identity={}, stand_in=True)
IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def pack_recordings(raw: Path, archive: Path) -> None:
    """Moves the recordings folder into a .tar.gz archive."""
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(raw / "recordings", "fsdd-1.0/recordings")
    shutil.rmtree(raw / "recordings")


def unpack(raw: Path) -> None:
    for path in list(raw.glob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def into_subfolder(raw: Path) -> None:
    (raw / "MNIST" / "raw").mkdir(parents=True)
    for path in raw.glob("*.gz"):
        path.rename(raw / "MNIST" / "raw" / path.name)


def linked(raw: Path) -> None:
    (raw / "recordings").rename(raw.parent / "elsewhere")
    (raw / "recordings").symlink_to(raw.parent / "elsewhere")


def same(one: RawAvMnist, other: RawAvMnist) -> bool:
    pairs = ((one.images, other.images), (one.clips, other.clips))
    equal = all(np.array_equal(a[key], b[key]) for a, b in pairs for key in a)
    return equal and one.sha256 == other.sha256


@pytest.mark.parametrize(
    "layout",
    [
        unpack,
        into_subfolder,
        linked,
        lambda raw: pack_recordings(raw, raw / "fsdd.tar.gz"),
        lambda raw: [p.rename(p.with_name(p.name.replace("-idx", ".idx"))) for p in raw.iterdir()],
    ],
    ids=["unpacked", "torchvision", "link", "archive", "dotted"],
)
def test_layouts_give_the_same_data(raw: Path, shared_raw: Path, layout) -> None:
    layout(raw)
    assert same(read_raw([raw], ANY), read_raw([shared_raw], ANY))


def test_an_archive_of_any_name_can_be_given_by_itself(raw: Path, shared_raw: Path) -> None:
    archive = raw.parent / "sounds.tgz"
    pack_recordings(raw, archive)
    assert same(read_raw([raw, archive], ANY), read_raw([shared_raw], ANY))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            lambda raw: (raw / f"{LABELS}.gz").unlink(),
            rf"{LABELS}\.gz \(MNIST\) is missing in .*raw",
        ),
        (lambda raw: shutil.rmtree(raw / "recordings"), "FSDD recordings .* missing in .*raw"),
        (
            lambda raw: (raw / f"{IMAGES}.gz").write_bytes(gzip.compress(b"x" * 99)[:-9]),
            rf"{IMAGES}\.gz is truncated",
        ),
        (
            lambda raw: (raw / f"{IMAGES}.gz").write_bytes(b"<html>not found"),
            rf"{IMAGES}\.gz is a web page",
        ),
        (
            lambda raw: (raw / f"{LABELS}.gz").write_bytes(pack_idx(np.zeros(3, np.uint8))),
            r"images \(2400, 28, 28\) and labels \(3,\) do not fit",
        ),
        (
            lambda raw: (raw / f"{LABELS}.gz").write_bytes(pack_idx(np.full(2400, 11, np.uint8))),
            "label 11 found, digits are 0 to 9",
        ),
        (
            lambda raw: (raw / "recordings" / "3_low_7.wav").write_bytes(b"RIFF"),
            r"3_low_7\.wav: cannot be read as WAV",
        ),
    ],
    ids=["labels gone", "audio gone", "truncated", "html", "too few labels", "label 11", "no wav"],
)
def test_each_mistake_is_named_in_one_line(raw: Path, damage, text: str) -> None:
    damage(raw)
    with pytest.raises(DataError, match=text) as caught:
        read_raw([raw], ANY)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\./reproduce\.sh data prepare avmnist.*--raw DIR"):
        read_raw([tmp_path], ANY)


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*none; --raw needs"):
        read_raw([tmp_path / "none"], ANY)


def test_a_wrong_checksum_says_expected_and_found(raw: Path) -> None:
    size = len(gzip.decompress((raw / f"{IMAGES}.gz").read_bytes()))
    pinned = Release(identity={}, idx={IMAGES: Content(size, "0" * 64)})
    with pytest.raises(
        DataError, match=rf"wrong checksum: .*sha256 [0-9a-f]{{64}}, expected {'0' * 64}"
    ):
        read_raw([raw], pinned)


def test_the_published_release_refuses_other_images(raw: Path) -> None:
    with pytest.raises(DataError, match=r"is truncated: 1881616 of 47040016 bytes"):
        read_raw([raw], PUBLISHED)


def test_missing_recordings_are_counted(raw: Path) -> None:
    wider = replace(ANY, speakers=("high", "low", "theo", "jackson"))
    with pytest.raises(DataError, match=r"1680 of 2000 .*missing \(first: 0_high_12\.wav\)"):
        read_raw([raw], wider)


def test_a_changed_recording_changes_the_digest(raw: Path) -> None:
    pinned = replace(ANY, recordings_sha256=read_raw([raw], ANY).sha256["recordings"])
    read_raw([raw], pinned)
    clips = raw / "recordings"
    shutil.copy(clips / "3_low_7.wav", clips / "4_low_7.wav")
    with pytest.raises(DataError, match="recordings have digest"):
        read_raw([raw], pinned)
