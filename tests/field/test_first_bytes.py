"""A file that is something else than its name says is one line that names it and its remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.ave.raw import read_annotations
from datasets.avmnist.recordings import read_recordings
from datasets.cremad.clip import Task, convert
from datasets.errors import DataError
from datasets.raw.content import check_file, read_content
from datasets.raw.flv import read_frame
from datasets.raw.hdf5 import opened
from datasets.raw.unpickle import unpickle
from datasets.raw.wav import pack_wav, parse_wav

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"
PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"
NO_DATA = {
    "page": (PAGE, "a web page ('Google Drive - Quota exceeded')", "browser"),
    "page with a mark": (b"\xef\xbb\xbf\r\n" + PAGE, "a web page", "browser"),
    "page in capitals": (b"<HTML><BODY>Sign in</BODY></HTML>", "a web page", "browser"),
    "page of xhtml": (b'<?xml version="1.0"?>\n<html xmlns="x">', "a web page", "browser"),
    "pointer": (POINTER, "a git-lfs pointer", "git lfs pull"),
    "pointer with CR LF": (POINTER.replace(b"\n", b"\r\n"), "a git-lfs pointer", "git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s12--ab.pkl\n", "a git-annex pointer", "git annex get"),
    "not found": (b"404: Not Found", "a server's message ('404: Not Found')", "again"),
    "json": (b'{"message": "Bad credentials"}', "a server's message", "again"),
    "xml": (
        b'<?xml version="1.0"?><Error>AccessDenied</Error>',
        "a server's message",
        "again",
    ),
    "empty": (b"", "is empty", "again"),
    "zeros": (bytes(5000), "zeros only", "again"),
    "resource": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "a Mac's resource file", "delete"),
}


def packed_by(kind: str) -> bytes:
    """A packed file of this kind."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("humor.pkl", "x")
    elif kind == "tar":
        with tarfile.TarFile(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("humor.pkl"))
    else:
        pack = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[kind]
        return pack(b"a packed file")
    return stream.getvalue()


PACKED = {
    "gzip": ("a gzip file", "gzip -d"),
    "zip": ("a zip archive", "unzip"),
    "bzip2": ("a bzip2 file", "bzip2 -d"),
    "xz": ("an xz file", "xz -d"),
    "tar": ("a tar archive", "tar xf"),
}


def h5(path: Path) -> None:
    with opened(path, "avadataset", (1,)):
        pass


READERS: dict[str, Callable[[Path], object]] = {
    "pickle": unpickle,
    "hdf5": h5,
    "idx": lambda path: read_content(path, 1 << 20),
    "text": read_annotations,
    "wav": lambda path: parse_wav(path.read_bytes(), 16_000, str(path)),
    "flv": lambda path: read_frame(path.read_bytes(), str(path)),
    "recordings": lambda path: read_recordings(path, lambda clip: True),
    "any": check_file,
}


def error_of(read: Callable[[Path], object], path: Path) -> str:
    """The one line that a reader says about a file."""
    with pytest.raises(DataError) as error:
        read(path)
    text = str(error.value)
    assert "\n" not in text and str(path) in text
    return text


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NO_DATA)
def test_what_holds_no_data_is_named_with_its_remedy(
    tmp_path: Path, name: str, reader: str
) -> None:
    content, what, remedy = NO_DATA[name]
    path = tmp_path / "raw file"
    path.write_bytes(content)
    text = error_of(READERS[reader], path)
    assert what in text and remedy in text


@pytest.mark.parametrize("reader", ["pickle", "hdf5", "wav", "flv"])
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_file_is_to_be_unpacked(tmp_path: Path, kind: str, reader: str) -> None:
    path = tmp_path / "raw file"
    path.write_bytes(packed_by(kind))
    what, remedy = PACKED[kind]
    text = error_of(READERS[reader], path)
    assert what in text and remedy in text


def test_one_format_in_place_of_another_is_named(tmp_path: Path) -> None:
    path = tmp_path / "raw file"
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "a pickle" in error_of(h5, path)
    path.write_bytes(pack_wav(np.zeros(16_000, np.int16), 16_000))
    assert "a WAV file" in error_of(READERS["flv"], path)
    path.write_bytes(b"ID3\x04" + bytes(40))
    assert "an MP3 file" in error_of(READERS["wav"], path)
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(3)
    assert "an HDF5 file" in error_of(unpickle, path)


def test_a_folder_and_a_dead_link_are_named(tmp_path: Path) -> None:
    assert "not a file" in error_of(unpickle, tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "which does not exist" in error_of(unpickle, tmp_path / "link")


@pytest.mark.parametrize("name", NO_DATA)
def test_a_clip_says_what_its_file_is(tmp_path: Path, name: str) -> None:
    content, what, _ = NO_DATA[name]
    (tmp_path / "a.wav").write_bytes(content)
    files = {"wav": [tmp_path / "a.wav"], "flv": [tmp_path / "a.wav"]}
    problem = convert(Task("1001_DFA_ANG_XX", files, {}, (8, 8), tmp_path)).problem
    assert what in problem
    if name == "pointer":
        assert "git lfs pull" in problem and "gitlab.com" in problem


def test_a_file_without_permission_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "raw file"
    path.write_bytes(b"x")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    for reader in ("pickle", "hdf5", "idx", "text", "any"):
        text = error_of(READERS[reader], path)
        assert "Permission denied" in text and "right to read" in text
