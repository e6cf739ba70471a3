"""The idx format of MNIST: a big-endian header, then uint8 values; plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from datasets.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"


def read_content(path: Path, limit: int) -> bytes:
    """The file's content, unpacked if gzipped; never takes more than `limit` + 1 bytes of memory.

    Raises DataError if it is unreadable, a damaged or truncated gzip, or longer than `limit`.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == GZIP_MAGIC
            stream.seek(0)
            source = gzip.GzipFile(fileobj=stream) if packed else stream
            content = source.read(limit + 1)
    except EOFError as error:
        raise DataError(f"{path} is truncated: its gzip stream ends too early") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise DataError(f"{path} holds more than the {limit} bytes expected")
    return content


def parse_idx(content: bytes, ndim: int, where: str) -> np.ndarray:
    """An idx file's uint8 array of `ndim` dimensions, as a read-only view of `content`.

    `where` names the file in the DataError for a wrong magic number or length.
    """
    header = 4 + 4 * ndim
    magic = bytes((0, 0, 8, ndim))
    if content[:4] != magic:
        raise DataError(f"{where}: idx magic is {content[:4].hex()}, expected {magic.hex()}")
    if len(content) < header:
        raise DataError(f"{where}: {len(content)} bytes are too short for an idx header")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    # Compared as Python integers, before anything is allocated: a header may claim any size.
    if math.prod(shape) != len(content) - header:
        found = f"the header says {shape}, but {len(content) - header} values follow"
        raise DataError(f"{where}: {found}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def pack_idx(array: np.ndarray) -> bytes:
    """A uint8 array as the content of an idx file."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()
