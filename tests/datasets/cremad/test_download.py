"""CREMA-D from its official address: with consent, whatever the network does, and continued."""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasets import registry
from datasets.cremad import download
from datasets.cremad.raw import OFFICIAL, find_raw, read_pointers
from datasets.cremad.spec import CLIPS, KINDS
from datasets.cremad.stand_in import write_clips
from datasets.errors import DataError
from datasets.raw import fetch as fetch_module
from datasets.spec import FetchOptions
from datasets.store.manifest import read_manifest
from tests.datasets.conftest import REPOSITORY
from tests.datasets.cremad.files import SMALL, TEST, TRAIN, cut_out, file_of, prepared
from tests.datasets.raw.server import POINTER, Server, running

CONSENT = FetchOptions(accept_licence=True)
CLIP = TRAIN[3]
WAV = f"AudioWAV/{CLIP}.wav"
OFFICIAL_PATH, MIRROR_PATH = f"/official/{WAV}", f"/mirror/{WAV}"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as their publishers have them, with the list of their sizes and sums."""
    folder = tmp_path_factory.mktemp("published")
    write_clips(folder / "all", TRAIN + TEST, np.random.RandomState(0))
    raw = cut_out(folder / "all", folder / "raw")
    write_pointers(raw, raw / "cremad_lfs_manifest.csv.gz")
    prepared(raw, folder / "cremad")
    return folder


def write_pointers(raw: Path, path: Path) -> None:
    with gzip.open(path, "wt", newline="") as stream:
        sizes = [f"{kind}_{what}" for kind in KINDS for what in ("bytes", "sha256")]
        table = csv.DictWriter(stream, ["clip", *sizes])
        table.writeheader()
        for clip in TRAIN + TEST:
            row = {"clip": clip}
            for kind in KINDS:
                content = file_of(raw, clip, kind).read_bytes()
                row[f"{kind}_bytes"] = len(content)
                row[f"{kind}_sha256"] = hashlib.sha256(content).hexdigest()
            table.writerow(row)


@pytest.fixture
def server(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Two addresses with all files; `data prepare` takes them for the official ones."""
    with running() as server:
        server.content = None
        for path in (published / "raw").rglob("*.*"):
            file = path.relative_to(published / "raw").as_posix()
            for address in ("official", "mirror"):
                server.files[f"/{address}/{file}"] = path.read_bytes()
        addresses = tuple(f"{server.address}/{name}" for name in ("official", "mirror"))
        monkeypatch.setattr(download, "CLIP_ADDRESSES", addresses)
        monkeypatch.setattr(download, "PUBLISHED", SMALL)
        monkeypatch.setattr(download, "core_count", lambda: 1)
        yield server


@pytest.fixture
def raw(published: Path, tmp_path: Path) -> Path:
    """`data/raw/cremad` with the lists alone."""
    folder = tmp_path / "raw" / "cremad"
    folder.mkdir(parents=True)
    for path in (published / "raw").glob("*.csv*"):
        shutil.copy(path, folder)
    return folder


def prepare(tmp_path: Path, fetching: FetchOptions = CONSENT) -> registry.PrepareReport:
    return registry.prepare("cremad", [], tmp_path / "prepared" / "cremad", fetching=fetching)


def is_complete(published: Path, raw: Path) -> bool:
    """Whether every file is there, byte for byte, and nothing else."""
    there = {path.relative_to(raw): path.read_bytes() for path in raw.rglob("*.*")}
    wanted = published / "raw"
    return there == {path.relative_to(wanted): path.read_bytes() for path in wanted.rglob("*.*")}


def test_every_file_is_fetched_once_and_the_prepared_data_is_the_same(
    published: Path, server: Server, raw: Path, tmp_path: Path
) -> None:
    report = prepare(tmp_path)
    assert is_complete(published, raw) and len(server.asked) == 48
    assert "every file has the official size and sha256" in str(report)
    assert report.manifest.arrays == read_manifest(published / "cremad").arrays
    assert report.manifest.fingerprint == read_manifest(published / "cremad").fingerprint
    prepare(tmp_path)
    assert len(server.asked) == 48


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        ("cut", [OFFICIAL_PATH, OFFICIAL_PATH]),
        (429, [OFFICIAL_PATH, OFFICIAL_PATH]),
        (503, [OFFICIAL_PATH, OFFICIAL_PATH]),
        ("wrong", [OFFICIAL_PATH, MIRROR_PATH]),
        ("pointer", [OFFICIAL_PATH, MIRROR_PATH]),
        ("page", [OFFICIAL_PATH, MIRROR_PATH]),
        (404, [OFFICIAL_PATH, MIRROR_PATH]),
        (403, [OFFICIAL_PATH, MIRROR_PATH]),
    ],
)
def test_a_fault_is_waited_out_or_the_mirror_takes_over(
    published: Path, server: Server, raw: Path, tmp_path: Path, fault, asked: list[str]
) -> None:
    server.faults[OFFICIAL_PATH] = [fault]
    prepare(tmp_path)
    assert [path for path in server.asked if path.endswith(WAV)] == asked
    assert is_complete(published, raw)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "the server answers 404 Not Found"),
        (POINTER, "a git-lfs pointer came instead of the file"),
        (b"<html>Sign in</html>", "a web page came instead of the file"),
        (b"RIFF", "it has 4 bytes, expected"),
    ],
)
def test_a_file_that_no_address_has_is_named_and_all_others_are_kept(
    server: Server, raw: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    for path in (OFFICIAL_PATH, MIRROR_PATH):
        server.files[path] = content
    with pytest.raises(DataError) as caught:
        prepare(tmp_path)
    assert f"1 file of CREMA-D could not be fetched, first: cannot download {WAV}" in str(
        caught.value
    )
    assert str(caught.value).count(reason) == 2 and f"--raw {raw}" in str(caught.value)
    assert len(list(raw.rglob("*.*"))) == 4 + 47
    assert len(list((tmp_path / "prepared" / ".cremad.work").glob("*.npz"))) == 23


def test_files_that_are_there_are_not_fetched_unless_they_are_wrong(
    published: Path, server: Server, raw: Path, tmp_path: Path
) -> None:
    (raw / "AudioWAV").mkdir()
    file_of(raw, TRAIN[0], "wav").write_bytes(POINTER)
    for clip in TRAIN[1:3]:
        shutil.copy(file_of(published / "raw", clip, "wav"), raw / "AudioWAV")
    same_size = file_of(raw, TRAIN[2], "wav")
    same_size.write_bytes(same_size.read_bytes()[:-1] + b"\x07")
    elsewhere = cut_out(published / "all", tmp_path / "elsewhere")
    shutil.rmtree(elsewhere / "AudioWAV")
    file_of(elsewhere, CLIP, "flv").write_bytes(POINTER)
    folder = tmp_path / "prepared" / "cremad"
    report = registry.prepare("cremad", [elsewhere, raw], folder, fetching=CONSENT)
    assert len(server.asked) == len(set(server.asked)) == 23 + 1
    assert f"/official/AudioWAV/{TRAIN[1]}.wav" not in server.asked
    assert f"/official/VideoFlash/{CLIP}.flv" in server.asked
    assert report.manifest.fingerprint == read_manifest(published / "cremad").fingerprint


def test_a_mirror_of_the_user_comes_first(
    published: Path, server: Server, raw: Path, tmp_path: Path
) -> None:
    prepare(tmp_path, FetchOptions(True, f"{server.address}/mirror/"))
    assert {path.split("/")[1] for path in server.asked} == {"mirror"}
    assert is_complete(published, raw)


def test_many_failures_in_a_row_end_the_download(server: Server, raw: Path, tmp_path: Path) -> None:
    server.files.clear()
    with pytest.raises(DataError, match=r"16 files in a row cannot be fetched.*start again later"):
        prepare(tmp_path)


def test_a_full_disk_says_so_and_a_later_call_goes_on(
    published: Path, server: Server, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, kept = os.replace, []

    def replace_ten(part: Path, target: Path) -> None:
        if len(kept) == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        kept.append(target)
        replace(part, target)

    with monkeypatch.context() as patched:
        patched.setattr(fetch_module.os, "replace", replace_ten)
        with pytest.raises(DataError, match="No space left on device; free some space"):
            prepare(tmp_path)
    before = len(server.asked)
    prepare(tmp_path)
    assert is_complete(published, raw)
    assert len(server.asked) - before <= 38


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    server: Server, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"disk of .*raw/cremad is too small: 0\.0 GB are to come"):
        prepare(tmp_path)
    assert not server.asked


def test_a_failed_preparation_ends_the_downloads(
    server: Server, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(material: object, ready: Iterator[str], *_: object) -> None:
        raise DataError(f"{next(ready)} cannot be converted")

    server.delay_s = 0.05
    monkeypatch.setattr(download, "prepare_material", fail)
    with pytest.raises(DataError, match="cannot be converted") as caught:
        prepare(tmp_path)
    asked = len(server.asked)
    time.sleep(0.3)
    assert asked == len(server.asked) < 48, caught.value


FETCH = """
import csv, gzip, pathlib, sys
from datasets.raw.fetch import fetch_all
from datasets.spec import RawSource, silent
address, folder, manifest = sys.argv[1:]
rows = list(csv.DictReader(gzip.open(manifest, "rt")))
kinds = {"wav": "AudioWAV", "flv": "VideoFlash"}
files = [(f"{kinds[k]}/{r['clip']}.{k}", int(r[f"{k}_bytes"]), r[f"{k}_sha256"]) for r in rows
         for k in kinds]
sources = [RawSource(f, (f"{address}/official/{f}",), "", "", n, s) for f, n, s in files]
assert not [each for each in fetch_all(sources, pathlib.Path(folder), silent) if each.problem]
"""


def test_a_download_that_is_killed_five_times_goes_on_and_ends_byte_identical(
    published: Path, server: Server, raw: Path
) -> None:
    server.delay_s, server.break_after = 0.2, 5000
    words = [f"{server.address}", str(raw), str(raw / "cremad_lfs_manifest.csv.gz")]
    for _ in range(5):
        before = len(server.asked)
        process = subprocess.Popen([sys.executable, "-c", FETCH, *words], cwd=REPOSITORY)
        while len(server.asked) < before + 12:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_complete(published, raw)
    server.delay_s, server.break_after = 0.0, None
    subprocess.run([sys.executable, "-c", FETCH, *words], cwd=REPOSITORY, check=True)
    assert is_complete(published, raw)
    assert any(asked for asked in server.requests), "nothing was resumed"


def test_without_consent_nothing_is_fetched_and_the_error_says_what_to_type(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, FetchOptions())
    text = str(caught.value)
    for words in (CLIPS.licence, CLIPS.size, "form", "identifiable", "--accept-licence", "--raw"):
        assert words in text
    assert all(url in text for url in CLIPS.urls) and not server.asked


def test_the_official_list_covers_every_published_clip(real_clips_or_none: list[str]) -> None:
    pointers = read_pointers(OFFICIAL)
    assert len(pointers) == 2 * 7442
    assert sum(pointer.bytes for pointer in pointers.values()) == pytest.approx(3.05e9, rel=0.01)
    assert all((clip, kind) in pointers for clip in real_clips_or_none for kind in KINDS)


@pytest.fixture
def real_clips_or_none() -> list[str]:
    """The clips of the published lists, where this machine has them."""
    folder = Path(os.environ.get("MSAM_RAW_DIR") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        return []
    from datasets.cremad.raw import read_split_lists

    parts = read_split_lists(find_raw([folder]).lists)
    return [clip for clips in parts.values() for clip in clips]
