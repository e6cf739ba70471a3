"""RIFF WAV as FSDD uses it: mono PCM, 16 bit."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from datasets.errors import DataError

PCM = 1


def parse_wav(content: bytes, rate_hz: int, where: str) -> np.ndarray:
    """The samples (T,) int16 of a mono 16-bit PCM file of `rate_hz`.

    `where` names the clip in the DataError for anything else.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError(f"{where}: no WAV file; it starts with {content[:12]!r}")
    layout = None
    for name, body in _chunks(content, where):
        if name == b"fmt ":
            layout = _layout(body, where)
        elif name == b"data":
            return _samples(body, layout, rate_hz, where)
    raise DataError(f"{where}: the WAV file has no data chunk")


def pack_wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """Samples (T,) int16 as a mono 16-bit PCM file."""
    data = samples.astype("<i2").tobytes()
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    body = b"WAVE" + layout + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _chunks(content: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """The (name, body) of each RIFF chunk; sizes are checked against the bytes at hand."""
    start = 12
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        stop = start + 8 + size
        if stop > len(content):
            missing = stop - len(content)
            raise DataError(f"{where}: truncated, {missing} bytes of chunk {name!r} are missing")
        yield name, content[start + 8 : stop]
        start = stop + size % 2  # chunks are padded to an even length


def _layout(body: bytes, where: str) -> tuple[int, int, int, int]:
    """(format tag, channels, sample rate in Hz, bits per sample)."""
    if len(body) < 16:
        raise DataError(f"{where}: the format chunk has {len(body)} bytes, expected 16 or more")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    return tag, channels, rate_hz, bits


def _samples(
    body: bytes, layout: tuple[int, int, int, int] | None, rate_hz: int, where: str
) -> np.ndarray:
    expected = (PCM, 1, rate_hz, 16)
    if layout != expected:
        names = "(format, channels, rate in Hz, bits)"
        raise DataError(f"{where}: {names} is {layout}, expected {expected}")
    if len(body) % 2:
        raise DataError(f"{where}: {len(body)} bytes are no whole number of 16-bit samples")
    return np.frombuffer(body, "<i2").astype(np.int16)
