"""`data prepare` and `data audit` end in one clear line at most, whatever they are given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from datasets.cremad.spec import KINDS
from datasets.cremad.stand_in import write_lists
from tests.datasets.cremad.files import TEST, TRAIN
from tests.field.test_first_bytes import NO_DATA, packed_by

ROOT = Path(__file__).parents[2]
FILES = {
    "avmnist": ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"],
    "cremad": [f"{KINDS[kind]}/{clip}.{kind}" for kind in KINDS for clip in TRAIN + TEST],
    "urfunny": ["humor.pkl"],
    "ave": [
        *("Annotations.txt", "audio_feature.h5", "visual_feature.h5"),
        *("train_order.h5", "val_order.h5", "test_order.h5"),
    ],
}
CONTENTS = {name: content for name, (content, *_) in NO_DATA.items()} | {
    "gzip of a page": packed_by("gzip"),
    "zip": packed_by("zip"),
    "xz": packed_by("xz"),
    "truncated": b"\x80\x04\x95\x01",
    "other bytes": b"\x00\x00\x08\x03 no file of this kind",
}


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("MSAM_RAW_DIR", raising=False)
    monkeypatch.setattr("datasets.store.system.core_count", lambda: 1)


def written(folder: Path, dataset: str, content: bytes) -> Path:
    """A folder in which the raw files of a dataset have this content."""
    for name in FILES[dataset]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if dataset == "cremad":
        write_lists(folder, TRAIN, TEST)
    return folder


def error_of(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert main(["data", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("dataset", FILES)
def test_a_bad_raw_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, dataset: str, content: str
) -> None:
    raw = written(tmp_path / "raw", dataset, CONTENTS[content])
    line = error_of(capsys, "prepare", dataset, "--raw", str(raw))
    assert any(name.rpartition("/")[2].partition(".")[0] in line for name in FILES[dataset])
    assert not list((tmp_path / "data" / "prepared").glob(f".{dataset}.????????"))


@pytest.mark.parametrize("dataset", FILES)
def test_files_that_lie_too_deep_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, dataset: str
) -> None:
    written(tmp_path / "raw/1/2/3/4/5", dataset, b"x")
    line = error_of(capsys, "prepare", dataset, "--raw", str(tmp_path / "raw"))
    assert f"lies in {tmp_path / 'raw/1/2/3/4/5'}" in line


@pytest.mark.parametrize("dataset", FILES)
def test_a_raw_folder_that_is_closed_gone_or_empty_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
) -> None:
    raw = tmp_path / "raw"
    assert f"there is no {raw}" in error_of(capsys, "prepare", dataset, "--raw", str(raw))
    raw.mkdir()
    assert "missing" in error_of(capsys, "prepare", dataset, "--raw", str(raw))

    def denied(path: str) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", denied)
    assert "Permission denied" in error_of(capsys, "prepare", dataset, "--raw", str(raw))


@pytest.mark.parametrize("dataset", FILES)
def test_an_audit_of_prepared_data_has_no_traceback(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    stand_in_of: Callable[[str], Path],
    dataset: str,
) -> None:
    shutil.copytree(stand_in_of(dataset), tmp_path / "data" / "prepared" / dataset)
    assert main(["data", "audit", dataset]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("dataset", FILES)
def test_an_audit_of_bad_raw_files_has_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture, dataset: str, content: str
) -> None:
    raw = written(tmp_path / "raw", dataset, CONTENTS[content])
    status = main(["data", "audit", dataset, "--raw", str(raw)])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (status == 2) and all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
        {"LANG": "nowhere", "PYTHONUTF8": "0"},
    ],
)
def test_a_locale_without_our_letters_changes_nothing(
    tmp_path: Path, locale: dict[str, str]
) -> None:
    raw = written(tmp_path / "Rohdaten ä", "ave", b"<html>\xc3\xa4</html>")
    words = [sys.executable, "-P", "-m", "benchmarks", "data", "prepare", "ave", "--raw", str(raw)]
    kept = {name: os.environ[name] for name in ("PATH", "MSAM_DATA_DIR")}
    done = subprocess.run(words, env={**kept, **locale, "PYTHONPATH": str(ROOT)}, capture_output=1)
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 1 and b"a web page" in lines[0]
