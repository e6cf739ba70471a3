"""From CREMA-D's files to arrays: verified, resumable, always equal, no clip lost silently."""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import registry
from datasets.cremad import clip as cremad_clip
from datasets.cremad.clip import KEPT_SAMPLES
from datasets.cremad.raw import label_of
from datasets.cremad.spec import KINDS
from datasets.cremad.stand_in import write_clips, write_video
from datasets.errors import DataError
from datasets.raw.flv import read_frame
from datasets.raw.wav import pack_wav, parse_wav
from datasets.store.manifest import Manifest, read_manifest
from tests.datasets.cremad.files import SMALL, TEST, TRAIN, cut_out, file_of, prepared

BAD = TRAIN[4]


@pytest.fixture(scope="module")
def every_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cremad")
    write_clips(folder, TRAIN + TEST, np.random.RandomState(0))
    return folder


@pytest.fixture(scope="module")
def first(every_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preparation that nothing disturbed."""
    folder = tmp_path_factory.mktemp("first")
    prepared(cut_out(every_clip, folder / "raw"), folder / "cremad")
    return folder / "cremad"


@pytest.fixture
def raw(every_clip: Path, tmp_path: Path) -> Path:
    """A small release, free to be damaged."""
    return cut_out(every_clip, tmp_path / "raw")


def sums(folder: Path) -> dict[str, str]:
    return {name: entry.sha256 for name, entry in read_manifest(folder).arrays.items()}


def skipped(raw: Path, tmp_path: Path) -> tuple[dict[str, str], Manifest]:
    """What a preparation skips, and its manifest."""
    report = prepared(raw, tmp_path / "cremad")
    found = dict(report.manifest.facts["skipped"])
    assert all(
        any(f"skipped {clip}: {why}" in n for n in report.notes) for clip, why in found.items()
    )
    return found, report.manifest


def write_pointers(raw: Path) -> None:
    """The list of official sizes and sums, for the files as they are now."""
    with gzip.open(raw / "cremad_lfs_manifest.csv.gz", "wt", newline="") as stream:
        sizes = [f"{kind}_{what}" for kind in KINDS for what in ("bytes", "sha256")]
        table = csv.DictWriter(stream, ["clip", "label", *sizes])
        table.writeheader()
        for clip in TRAIN + TEST:
            row = {"clip": clip, "label": clip[9:12]}
            for kind in KINDS:
                content = file_of(raw, clip, kind).read_bytes()
                row[f"{kind}_bytes"] = len(content)
                row[f"{kind}_sha256"] = hashlib.sha256(content).hexdigest()
            table.writerow(row)


def test_arrays_hold_the_clips_in_the_order_of_the_lists(every_clip: Path, first: Path) -> None:
    arrays = {name: np.load(first / f"{name}.npy") for name in sums(first)}
    assert [name.decode() for name in arrays["clips"]] == TRAIN + TEST
    assert arrays["labels"].tolist() == [label_of(clip) for clip in TRAIN + TEST] == 4 * [*range(6)]
    assert arrays["is_test"].tolist() == 18 * [0] + 6 * [1]
    for row in (0, 11, 23):
        clip = (TRAIN + TEST)[row]
        samples = parse_wav(file_of(every_clip, clip, "wav").read_bytes(), 16_000, clip)
        stored, length = arrays["samples"][row], arrays["lengths"][row]
        assert np.array_equal(stored[:length], samples) and not stored[length:].any()
        picture, _ = read_frame(file_of(every_clip, clip, "flv").read_bytes(), clip)
        small = Image.fromarray(picture).resize((43, 32), Image.Resampling.BILINEAR)
        assert np.array_equal(arrays["frames"][row], np.asarray(small))


def test_long_clips_are_cut_behind_three_seconds(raw: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 50_000).astype(np.int16)
    file_of(raw, TRAIN[0], "wav").write_bytes(pack_wav(noise, 16_000))
    prepared(raw, tmp_path / "cremad")
    assert np.load(tmp_path / "cremad" / "lengths.npy")[0] == KEPT_SAMPLES == 48_320
    assert np.array_equal(np.load(tmp_path / "cremad" / "samples.npy")[0], noise[:KEPT_SAMPLES])


def test_several_processes_give_the_same_bytes(raw: Path, first: Path, tmp_path: Path) -> None:
    manifest = prepared(raw, tmp_path / "cremad", processes=2).manifest
    assert sums(tmp_path / "cremad") == sums(first)
    assert manifest.fingerprint == read_manifest(first).fingerprint


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def test_a_killed_preparation_goes_on_and_gives_the_same_bytes(
    raw: Path, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, work = tmp_path / "cremad", tmp_path / ".cremad.work"
    save = cremad_clip._save

    def save_ten(path: Path, **arrays: np.ndarray) -> None:
        if len(list(work.iterdir())) == 10:
            raise Killed
        save(path, **arrays)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(cremad_clip, "_save", save_ten)
        prepared(raw, folder)
    assert not folder.exists() and len(list(work.glob("*.npz"))) == 10
    done = work / f"{TRAIN[3]}.npz"
    done.write_bytes(done.read_bytes()[:5000])  # as a power cut may leave it
    decoded = []
    monkeypatch.setattr(cremad_clip, "read_frame", lambda *a: decoded.append(a) or read_frame(*a))
    prepared(raw, folder)
    assert len(decoded) == 24 - 10 + 1
    assert sums(folder) == sums(first) and not work.exists()


def test_a_changed_raw_file_is_converted_again(raw: Path, tmp_path: Path) -> None:
    folder, work = tmp_path / "cremad", tmp_path / ".cremad.work"
    folder.write_text("in the way of the result")
    with pytest.raises(DataError, match="is a file; prepared data needs a folder of its own"):
        prepared(raw, folder)
    assert len(list(work.iterdir())) == 24
    folder.unlink()
    shutil.copy(file_of(raw, TRAIN[1], "wav"), file_of(raw, TRAIN[0], "wav"))
    prepared(raw, folder)
    first, second = np.load(folder / "samples.npy")[:2]
    assert np.array_equal(first, second) and not work.exists()


def test_a_full_disk_says_so_and_keeps_finished_clips_and_the_old_data(
    raw: Path, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(first, tmp_path / "cremad"))
    fsync = os.fsync

    def write_some(file: int) -> None:
        if len(list((tmp_path / ".cremad.work").glob("[!.]*.npz"))) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", write_some)
        with pytest.raises(DataError, match="No space left on device; free some space and start"):
            prepared(raw, folder)
    assert sums(folder) == sums(first)
    assert [p.suffix for p in (tmp_path / ".cremad.work").iterdir()] == 7 * [".npz"]
    prepared(raw, folder)
    assert sums(folder) == sums(first)


def test_a_disk_that_is_too_small_is_refused_at_once(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=4_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"too small: 0\.0 GB are needed, 0\.0 GB are free"):
        prepared(raw, tmp_path / "cremad")


def test_files_are_verified_against_the_official_sums(raw: Path, tmp_path: Path) -> None:
    assert "24 clips NOT verified" in str(prepared(raw, tmp_path / "cremad"))
    write_pointers(raw)
    flv, wav = (file_of(raw, BAD, kind) for kind in ("flv", "wav"))
    intact = wav.read_bytes()
    report = prepared(raw, tmp_path / "cremad")
    assert "every file has the official size and sha256" in str(report)
    wav.write_bytes(intact[:-1] + b"\x07")
    flv_of_next = file_of(raw, TRAIN[5], "flv")
    flv_of_next.write_bytes(flv_of_next.read_bytes() + b"x")
    found, manifest = skipped(raw, tmp_path)
    assert "is not the official file: its sha256 differs" in found[BAD]
    assert "the official file" in found[TRAIN[5]] and "bytes" in found[TRAIN[5]]
    assert manifest.facts["unverified"] == 0 and flv.exists()


def change_stub(raw: Path) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 265922\n"
    file_of(raw, BAD, "flv").write_text(text)


def change_truncated(raw: Path) -> None:
    flv = file_of(raw, BAD, "flv")
    flv.write_bytes(flv.read_bytes()[: flv.stat().st_size * 2 // 3])


def change_no_frames(raw: Path) -> None:
    flv = file_of(raw, BAD, "flv")
    flv.write_bytes(flv.read_bytes()[:13])


def change_no_video(raw: Path) -> None:
    write_video(file_of(raw, BAD, "flv"), np.zeros((0, 48, 32), np.uint8), np.zeros(9000, np.int16))


def change_no_flv(raw: Path) -> None:
    file_of(raw, BAD, "flv").write_bytes(b"<html>404</html>")


def change_missing(raw: Path) -> None:
    file_of(raw, BAD, "wav").unlink()


def change_rate(raw: Path) -> None:
    file_of(raw, BAD, "wav").write_bytes(pack_wav(np.ones(20_000, np.int16), 22_050))


def change_short(raw: Path) -> None:
    file_of(raw, BAD, "wav").write_bytes(pack_wav(np.ones(8000, np.int16), 16_000))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_stub, r"is a git-lfs pointer; type git lfs pull --include 'AudioWAV/\*"),
        (change_truncated, r"\.flv: truncated, \d+ bytes are missing at its end"),
        (change_no_frames, r"\.flv: the file has no video frame"),
        (change_no_video, r"\.flv: the file has no video frame"),
        (change_no_flv, r"\.flv is a web page"),
        (change_missing, rf"^AudioWAV/{BAD}\.wav is missing$"),
        (change_rate, r"is \(1, 22050, 16\), expected \(1, 16000, 16\)"),
        (change_short, r"0\.50 s of sound; at least 1 s is needed"),
    ],
)
def test_a_broken_clip_is_left_out_with_its_reason(
    raw: Path, tmp_path: Path, change, reason: str
) -> None:
    change(raw)
    found, manifest = skipped(raw, tmp_path)
    assert list(found) == [BAD]
    assert re.search(reason, found[BAD])
    clips = [name.decode() for name in np.load(tmp_path / "cremad" / "clips.npy")]
    assert clips == [clip for clip in TRAIN + TEST if clip != BAD]
    assert manifest.facts["rows"] == {"train": 17, "test": 6}
    data = registry.load("cremad", tmp_path / "cremad", {"protocol": "actor_disjoint"})
    assert sum(map(len, (data.train, data.val, data.test))) == 23


def test_too_many_broken_clips_are_an_error_and_work_is_kept(raw: Path, tmp_path: Path) -> None:
    for clip in TRAIN[:3]:
        file_of(raw, clip, "flv").write_bytes(b"FLV")
    with pytest.raises(DataError, match=rf"3 of 24 clips cannot be used, first {TRAIN[0]}: .*flv"):
        prepared(raw, tmp_path / "cremad")
    assert not (tmp_path / "cremad").exists()
    assert len(list((tmp_path / ".cremad.work").iterdir())) == 21


def test_missing_folders_are_noticed_before_any_work(raw: Path, tmp_path: Path) -> None:
    shutil.rmtree(raw / "VideoFlash")
    with pytest.raises(DataError, match=r"24 of 24 clips cannot be used, first .*flv is missing"):
        prepared(raw, tmp_path / "cremad")
    assert not (tmp_path / ".cremad.work").exists()


def test_oddities_stay_in_and_are_reported(raw: Path, tmp_path: Path) -> None:
    shutil.copy(file_of(raw, TRAIN[0], "wav"), file_of(raw, TEST[1], "wav"))
    film = np.random.default_rng(0).integers(0, 255, (90, 216, 96), np.uint8)
    write_video(file_of(raw, TRAIN[2], "flv"), film, np.zeros(9000, np.int16))
    report = prepared(raw, tmp_path / "cremad")
    assert report.manifest.facts["rows"] == {"train": 18, "test": 6}
    assert f"kept though their sound is the same: {TRAIN[0]}, {TEST[1]}" in report.notes
    assert list(report.manifest.facts["outliers"]) == [TRAIN[2]]


def test_prepared_data_stays_until_something_changed(
    every_clip: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.cremad.prepare.PUBLISHED", SMALL)
    monkeypatch.setattr("datasets.store.system.core_count", lambda: 1)
    folder = tmp_path / "prepared" / "cremad"
    file_of(raw, BAD, "wav").unlink()
    assert registry.prepare("cremad", [raw], folder).fresh
    assert not registry.prepare("cremad", [], folder).fresh
    shutil.copy(file_of(every_clip, BAD, "wav"), raw / "AudioWAV")
    assert registry.prepare("cremad", [raw], folder).fresh  # the missing file is there now
    assert not registry.prepare("cremad", [raw], folder).fresh
    assert registry.prepare("cremad", [raw], folder, force=True).fresh
    write_pointers(raw)
    assert registry.prepare("cremad", [raw], folder).fresh
