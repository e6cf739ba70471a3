"""The idx format of MNIST: a big-endian header, then uint8 values."""

from __future__ import annotations

import math
import struct

import numpy as np

from datasets.errors import DataError


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
