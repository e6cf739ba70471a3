"""FSDD's recordings, `<digit>_<speaker>_<take>.wav`, from a folder or an archive, in memory.

Archive members are chosen by name and never written to disk, so no member path can escape. The
bytes read from each member, and from a whole archive, are limited.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from datasets.errors import DataError
from datasets.raw.content import GZIP_MAGIC, check_file

MAX_CLIP_BYTES = 1 << 17
MAX_ARCHIVE_BYTES = 1 << 31
MAX_MEMBERS = 100_000
MAX_READ_BYTES = 1 << 19
"""At once: an archive's own headers may claim any length."""
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
_NAME = re.compile(r"([0-9])_([a-z]+)_([0-9]{1,3})\.wav", re.ASCII)
# What the standard library's readers raise on damaged, encrypted or odd archives.
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ValueError,
    OSError,
)


class Clip(NamedTuple):
    """What a recording's name says; sorts by digit, then speaker, then take."""

    digit: int
    speaker: str
    take: int

    @property
    def file(self) -> str:
        """The file name."""
        return f"{self.digit}_{self.speaker}_{self.take}.wav"


def clip_of(file: str) -> Clip | None:
    """The clip that a file name stands for, or None for another kind of file."""
    match = _NAME.fullmatch(file)
    return Clip(int(match[1]), match[2], int(match[3])) if match else None


def read_recordings(place: Path, wanted: Callable[[Clip], bool]) -> dict[Clip, bytes]:
    """The wanted recordings in a folder, or below `recordings/` in an archive; maybe none.

    Raises DataError if the place is unreadable or damaged, or a recording is over 128 KiB.
    """
    found: dict[Clip, bytes] = {}
    if not place.is_dir():
        check_file(place, {"a gzip file", "a zip archive", "a tar archive"})
    try:
        read = _from_folder if place.is_dir() else _from_zip if _is_zip(place) else _from_tar
        for clip, content in read(place, wanted):
            if len(content) > MAX_CLIP_BYTES:
                raise DataError(f"{place}: {clip.file} has more than {MAX_CLIP_BYTES} bytes")
            found.setdefault(clip, content)
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{place} is damaged or cannot be read: {error}; fetch it again") from error
    return found


def digest(recordings: Mapping[Clip, bytes]) -> str:
    """sha256 over names and contents in the order of names: equal for every packaging."""
    total = hashlib.sha256()
    for file, content in sorted((clip.file, content) for clip, content in recordings.items()):
        total.update(file.encode() + b"\n" + hashlib.sha256(content).digest())
    return total.hexdigest()


def _is_zip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"PK"


def _from_folder(folder: Path, wanted: Callable[[Clip], bool]) -> Iterator[tuple[Clip, bytes]]:
    for path in folder.iterdir():
        clip = clip_of(path.name)
        if clip and wanted(clip):
            with path.open("rb") as stream:
                yield clip, stream.read(MAX_CLIP_BYTES + 1)


def _from_tar(archive: Path, wanted: Callable[[Clip], bool]) -> Iterator[tuple[Clip, bytes]]:
    unpacked = 0
    with archive.open("rb") as file, tarfile.TarFile(fileobj=_Capped(_unzipped(file))) as opened:  # type: ignore[arg-type]
        for count, member in enumerate(opened):
            if member.size < 0:  # reading would never end: the next member lies before it
                raise tarfile.ReadError(f"{member.name} has {member.size} bytes")
            unpacked += member.size
            if count >= MAX_MEMBERS or unpacked > MAX_ARCHIVE_BYTES:
                raise DataError(f"{archive} is too large to be FSDD; name the right file")
            clip = _member_clip(member.name)
            stream = opened.extractfile(member) if clip and member.isreg() else None
            if clip and stream and wanted(clip):
                yield clip, stream.read(MAX_CLIP_BYTES + 1)


def _unzipped(file: BinaryIO) -> BinaryIO:
    packed = file.read(2) == GZIP_MAGIC
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


class _Capped:
    """A stream that gives a limited number of bytes at once: tarfile trusts every header."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.tell, self.seek = stream, stream.tell, stream.seek

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._stream.read(size)


def _from_zip(archive: Path, wanted: Callable[[Clip], bool]) -> Iterator[tuple[Clip, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        if len(opened.namelist()) > MAX_MEMBERS:
            raise DataError(f"{archive} is too large to be FSDD; name the right file")
        for name in opened.namelist():
            clip = _member_clip(name)
            if clip and wanted(clip):
                yield clip, opened.open(name).read(MAX_CLIP_BYTES + 1)


def _member_clip(name: str) -> Clip | None:
    folder, _, file = name.rpartition("/")
    return clip_of(file) if folder.rpartition("/")[2] == "recordings" else None
