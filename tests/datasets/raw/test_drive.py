"""Google Drive through gdown: consent, quota, web pages, and what to do without gdown."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from datasets import registry
from datasets.ave.spec import FEATURES
from datasets.ave.spec import SOURCES as AVE
from datasets.avmnist.raw import download_archive
from datasets.errors import DataError
from datasets.raw.drive import fetch_from_drive
from datasets.spec import FetchOptions
from datasets.urfunny.spec import SOURCES as URFUNNY

(HUMOR,) = URFUNNY
AUDIO = next(source for source in AVE if source.file == FEATURES["audio"])
CONSENT = FetchOptions(accept_licence=True)
PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>"


class DownloadError(Exception):
    """As gdown.exceptions has it."""


class Gdown:
    """Takes the place of gdown: gives `content`, or raises `error`; its folder holds `names`."""

    exceptions = SimpleNamespace(DownloadError=DownloadError)

    def __init__(self) -> None:
        self.content = b"content"
        self.error: Exception | None = None
        self.names = ["readme.txt", "humor.pkl"]
        self.asked: list[str] = []

    def download(self, id: str, output: str, resume: bool, quiet: bool) -> None:
        self.asked.append(id)
        if self.error:
            raise self.error
        Path(output).write_bytes(self.content)

    def download_folder(self, id: str, skip_download: bool, quiet: bool) -> list:
        assert skip_download
        return [SimpleNamespace(id=f"{id}/{name}", path=name) for name in self.names]


@pytest.fixture
def gdown(monkeypatch: pytest.MonkeyPatch) -> Gdown:
    double = Gdown()
    monkeypatch.setitem(sys.modules, "gdown", double)
    return double


def test_a_file_is_fetched_once_by_its_id(gdown: Gdown, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch_from_drive(AUDIO, tmp_path / "new").read_bytes() == b"content"
    assert gdown.asked == ["1F6p4BAOY-i0fDXUOhG7xHuw_fnO5exBS"]
    assert download_archive(tmp_path).name == "avmnist.tar.gz"


def test_a_file_is_found_in_its_folder(gdown: Gdown, tmp_path: Path) -> None:
    assert fetch_from_drive(HUMOR, tmp_path).name == "humor.pkl"
    assert gdown.asked == ["1Agzm157lciMONHOHemHRSySmjn1ahHX1/humor.pkl"]
    gdown.names = ["other.pkl"]
    (tmp_path / "humor.pkl").unlink()
    with pytest.raises(DataError, match=r"holds no humor\.pkl; it holds: other\.pkl"):
        fetch_from_drive(HUMOR, tmp_path)


def test_a_used_up_quota_is_explained_with_the_steps_by_hand(gdown: Gdown, tmp_path: Path) -> None:
    gdown.error = DownloadError("Too many users\nhave viewed this file")
    with pytest.raises(DataError) as caught:
        fetch_from_drive(AUDIO, tmp_path)
    text = str(caught.value)
    assert "Too many users have viewed" in text and "quota" in text and "\n" not in text
    assert f"By hand: open {AUDIO.urls[0]}" in text and str(tmp_path) in text


def test_a_web_page_is_neither_kept_nor_taken_for_the_file(gdown: Gdown, tmp_path: Path) -> None:
    gdown.content = PAGE
    with pytest.raises(DataError, match=r"a web page came instead of the file\. By hand: open"):
        fetch_from_drive(AUDIO, tmp_path)
    assert not any(tmp_path.iterdir())
    (tmp_path / AUDIO.file).write_bytes(PAGE)
    gdown.content = b"content"
    assert fetch_from_drive(AUDIO, tmp_path).read_bytes() == b"content"


def test_without_gdown_the_error_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(DataError, match=r"pip install -r requirements-extra\.txt\. By hand: open"):
        fetch_from_drive(AUDIO, tmp_path)


def test_a_full_disk_is_one_line(gdown: Gdown, tmp_path: Path) -> None:
    gdown.error = OSError(28, "No space left on device")
    with pytest.raises(DataError, match="No space left on device; free some space"):
        fetch_from_drive(AUDIO, tmp_path)


@pytest.mark.parametrize("name", ["ave", "urfunny"])
def test_without_consent_nothing_is_fetched_and_the_error_says_what_to_type(
    gdown: Gdown, tmp_path: Path, name: str
) -> None:
    with pytest.raises(DataError, match=rf"accept the licence .*data prepare {name} --accept-lic"):
        registry.prepare(name, [], tmp_path / "prepared" / name)
    assert not gdown.asked


def test_prepare_fetches_what_is_missing_and_reads_it(gdown: Gdown, tmp_path: Path) -> None:
    folder = tmp_path / "prepared" / "urfunny"
    registry.loader_of("urfunny").write_raw(tmp_path, seed=0)
    gdown.content = (tmp_path / "humor.pkl").read_bytes()
    assert registry.prepare("urfunny", [], folder, fetching=CONSENT).fresh
    assert (tmp_path / "raw" / "urfunny" / "humor.pkl").exists()
    assert not registry.prepare("urfunny", [], folder, fetching=CONSENT).fresh
    assert len(gdown.asked) == 1
