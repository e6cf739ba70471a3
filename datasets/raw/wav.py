"""RIFF WAV as FSDD and CREMA-D use it: mono PCM, 16 bit."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np

from datasets.errors import DataError
from datasets.raw.content import START_BYTES, check_start

CHANNELS, BITS = 1, 16


def parse_wav(content: bytes, rate_hz: int, where: str) -> np.ndarray:
    """The samples (T,) int16 of a mono 16-bit PCM file of `rate_hz`.

    `where` names the clip in the DataError for anything else.
    """
    check_start(content[:START_BYTES], where, {"a WAV file"})
    if content[:4] != b"RIFF":
        raise DataError(f"{where}: not a WAV file; it starts with {content[:12]!r}")
    # Some programs write a wrong size into the header, which `wave` would believe.
    whole = content[:4] + struct.pack("<I", max(0, len(content) - 8)) + content[8:]
    try:
        with wave.open(io.BytesIO(whole)) as sound:
            layout = (sound.getnchannels(), sound.getframerate(), 8 * sound.getsampwidth())
            expected = (CHANNELS, rate_hz, BITS)
            if layout != expected:
                names = "(channels, rate in Hz, bits)"
                raise DataError(
                    f"{where}: {names} is {layout}, expected {expected}; use the published file"
                )
            count = sound.getnframes()
            samples = sound.readframes(count)
    except (wave.Error, EOFError, RuntimeError) as error:  # what `wave` raises on damaged files
        reason = str(error) or "it ends too early"
        raise DataError(f"{where}: cannot be read as WAV: {reason}") from error
    if len(samples) != 2 * count:
        missing = 2 * count - len(samples)
        raise DataError(f"{where}: truncated, {missing} bytes of sound are missing")
    return np.frombuffer(samples, "<i2").astype(np.int16)


def pack_wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """Samples (T,) int16 as a mono 16-bit PCM file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(CHANNELS)
        sound.setframerate(rate_hz)
        sound.setsampwidth(BITS // 8)
        sound.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
