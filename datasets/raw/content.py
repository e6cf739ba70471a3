"""What is in a raw file: one look at its first bytes, one reader of its content, one of text.

A download or a clone may leave something else under a file's name: a page that asks to log in, a
git-lfs pointer, a packed copy, nothing at all. Every reader asks here first, so that the error
says what the file is and what to do about it.
"""

from __future__ import annotations

import gzip
import html
import re
import stat
import zlib
from collections.abc import Collection
from pathlib import Path

from datasets.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
START_BYTES = 4096
"""Enough of a file to tell what it is, with the title of a web page."""

_SHORT_BYTES = 1024
"""A server's message is shorter, and so is a git-lfs pointer (git-lfs, docs/spec.md)."""

_AGAIN = "fetch the file again"
_UNPACK = "unpack it first ({})"
_PAGE = (
    "a server sent it in place of the file: open the address in a browser, confirm or log in "
    "there and save the file; where the page speaks of a quota, try again a day later"
)
_PULL = (
    "type `git lfs pull` in its clone, or fetch the file from another address that "
    "./reproduce.sh data sources names"
)
_ANNEX = "type `git annex get` in its clone"
_NO_DATA = (
    ("a git-lfs pointer", rb"version https://git-lfs", _PULL),
    ("a git-annex pointer", rb"/annex/objects/|(\.\./)*\.git/annex/objects/", _ANNEX),
    ("a web page", rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype html|html|head|body)", _PAGE),
    ("a Mac's resource file", rb"\x00\x05\x16[\x00\x07]", "delete it"),
)
_FORMATS = (
    ("a gzip file", rb"\x1f\x8b", _UNPACK.format("gzip -d")),
    ("a zip archive", rb"PK(\x03\x04|\x05\x06)", _UNPACK.format("unzip")),
    ("a bzip2 file", rb"BZh[1-9]", _UNPACK.format("bzip2 -d")),
    ("an xz file", rb"\xfd7zXZ\x00", _UNPACK.format("xz -d")),
    ("a zstd file", rb"\x28\xb5\x2f\xfd", _UNPACK.format("zstd -d")),
    ("a 7z archive", rb"7z\xbc\xaf\x27\x1c", _UNPACK.format("7z x")),
    ("a rar archive", rb"Rar!\x1a\x07", _UNPACK.format("unrar x")),
    ("a tar archive", rb".{257}ustar", _UNPACK.format("tar xf")),
    ("an HDF5 file", rb"\x89HDF\r\n\x1a\n", _AGAIN),
    ("a pickle", rb"\x80[\x02-\x05]", _AGAIN),
    ("a NumPy array", rb"\x93NUMPY", _AGAIN),
    ("a WAV file", rb"RIFF....WAVE", _AGAIN),
    ("a FLV file", rb"FLV\x01", _AGAIN),
    ("an MP3 file", rb"ID3[\x02-\x04]", _AGAIN),
    ("an Ogg file", rb"OggS", _AGAIN),
    ("a FLAC file", rb"fLaC", _AGAIN),
    ("an MP4 file", rb"....ftyp", _AGAIN),
    ("a Matroska file", rb"\x1a\x45\xdf\xa3", _AGAIN),
    ("a PDF", rb"%PDF-", _AGAIN),
)
_PATTERNS = {name: re.compile(rx, re.I | re.S) for name, rx, _ in (*_NO_DATA, *_FORMATS)}
_MESSAGE = re.compile(
    rb"\s*(<\?xml|<error|\{\s*\"(error|message|detail|errors)\"|[45]\d\d\b|not found|forbidden|"
    rb"access denied|too many requests|rate limit|unauthorized)",
    re.I,
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def check_start(start: bytes, where: str, expected: Collection[str] | None = None) -> None:
    """Raises DataError, with what to do, if a file that starts so is plainly something else.

    `start` are the first START_BYTES or the whole file. `expected` are the formats that it may
    have, by their names above; with None it may have any.
    """
    if not start:
        raise DataError(f"{where} is empty: a download failed or a disk was full; {_AGAIN}")
    if len(start) >= _SHORT_BYTES and not any(start):
        raise DataError(f"{where} starts with zeros only: its download did not end; {_AGAIN}")
    plain = start.removeprefix(_BYTE_ORDER_MARK)
    kinds = _NO_DATA if expected is None else (*_NO_DATA, *_FORMATS)
    for name, _, remedy in kinds:
        if name not in (expected or ()) and _PATTERNS[name].match(plain):
            raise DataError(f"{where} is {name}{_title(plain)}, not what its name says; {remedy}")
    if len(start) < _SHORT_BYTES and _MESSAGE.match(plain):
        told = " ".join(plain[:80].decode("utf-8", "replace").split())
        raise DataError(f"{where} is a server's message ({told!r}), not the file; {_AGAIN}")


def _title(start: bytes) -> str:
    """The title of a web page in brackets."""
    found = re.search(rb"<title[^>]*>(.*?)</title", start, re.I | re.S)
    text = " ".join(html.unescape(found[1].decode("utf-8", "replace")).split()) if found else ""
    return f" ({text[:80]!r})" if text else ""


def check_file(path: Path, expected: Collection[str] | None = None) -> None:
    """As `check_start`, for a file; raises DataError if it cannot be read."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} cannot be read: it is not a file; name the file itself")
        with path.open("rb") as stream:
            start = stream.read(START_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error
    check_start(start, str(path), expected)


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file or folder that the system does not let us read."""
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return DataError(f"{path} cannot be read: {reason}; give yourself the right to read it")
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        reason = f"it is a link to {path.readlink()}, which does not exist"
    return DataError(f"{path} cannot be read: {reason}")


def read_content(path: Path, limit: int) -> bytes:
    """The file's content, unpacked if gzipped; never takes more than `limit` + 1 bytes of memory.

    Raises DataError if it is something else by its first bytes, unreadable, a damaged or truncated
    gzip, or longer than `limit`.
    """
    check_file(path, {"a gzip file"})
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == GZIP_MAGIC
            stream.seek(0)
            source = gzip.GzipFile(fileobj=stream) if packed else stream
            content = source.read(limit + 1)
    except EOFError as error:
        raise DataError(f"{path} is truncated: its gzip stream ends too early; {_AGAIN}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file: {error}; {_AGAIN}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > limit:
        raise DataError(f"{path} holds more than the {limit} bytes expected")
    if packed:
        check_start(content[:START_BYTES], f"what {path} holds", ())
    return content


TEXT_BYTES = 1 << 25
"""Far more than any list of a dataset takes."""

_TEXT_CODES = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))


def read_text(path: Path) -> str:
    """The text of a list, as any editor may have saved it; its lines end in LF.

    UTF-8 or UTF-16, with or without a byte order mark; lines that end in LF, CR LF or CR; gzipped
    or not. Raises DataError for anything else.
    """
    content = read_content(path, TEXT_BYTES)
    code = next(code for mark, code in _TEXT_CODES if content.startswith(mark))
    try:
        text = content.decode(code)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read: it is not text in UTF-8 (byte {error.start}); save it as "
            f"UTF-8 or {_AGAIN}"
        ) from error
    # Ctrl-Z ended text files under DOS.
    return text.rstrip("\x1a").replace("\r\n", "\n").replace("\r", "\n")
