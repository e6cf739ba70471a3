"""Spectrograms of the published AV-MNIST, bit for bit, without matplotlib.

The published generator draws matplotlib's `specgram` in the colour map Greys on a canvas of
112 x 112 pixels and keeps the red channel. With as many frames and frequencies as pixels, that is
a table look-up of the power in dB.
"""

from __future__ import annotations

import numpy as np

from datasets.errors import DataError

SIZE = 112
RATE_HZ = 8000
PADDED = 2 * SIZE - 1
"""FFT length: the one with exactly 112 non-negative frequencies."""

FULL_SCALE = 1 << 15


def window_and_hop(samples: int) -> tuple[int, int]:
    """The window length and the hop, in samples, that cut a clip into exactly 112 frames.

    The smallest window that allows it, with the least overlap, as the published generator's search
    over 113 i - 112 j > T >= 112 i - 111 j finds them (window i, overlap j). Raises DataError for
    a clip that is too short or needs a window longer than the FFT.
    """
    for window in range(max(1, -(-samples // SIZE) - 1), min(samples, PADDED + 1)):
        hop = min(window, (samples - window) // (SIZE - 1))
        if hop >= 1 and SIZE * hop > samples - window:
            return window, hop
    raise DataError(f"a clip of {samples} samples cannot be cut into {SIZE} frames")


def power_db(samples: np.ndarray) -> np.ndarray:
    """One-sided power spectral density in dB of a clip (T,) int16: (112 frequencies, 112 frames).

    Hann window, no detrending, scaled as matplotlib does.
    """
    window, hop = window_and_hop(len(samples))
    # The generator's reader gives float32 in [-1, 1); dividing by a power of two is exact.
    signal = samples.astype(np.float64) / FULL_SCALE
    hann = np.hanning(window)
    frames = np.lib.stride_tricks.sliding_window_view(signal, window)[::hop] * hann
    spectrum = np.fft.fft(frames, PADDED)[:, :SIZE].T
    power = spectrum.real**2 + spectrum.imag**2
    # matplotlib does not double the last bin where the window (not the FFT) is even.
    doubled = slice(1, -1) if window % 2 == 0 else slice(1, None)
    power[doubled] *= 2
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power / RATE_HZ / (hann**2).sum())


def spectrogram(samples: np.ndarray, where: str) -> np.ndarray:
    """A clip (T,) int16 -> picture (112, 112) uint8: 255 quiet, 0 loud, low tones at the bottom.

    `where` names the clip in the DataError for one that is too short, too long or silent.
    """
    try:
        decibel = power_db(samples)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    low, high = decibel.min(), decibel.max()
    if not (np.isfinite(low) and low < high):
        raise DataError(f"{where}: the recording is silent, at least in part")
    level = (256 * ((decibel - low) / (high - low))).astype(np.int64).clip(0, 255)
    return greys()[level[::-1]]


def greys() -> np.ndarray:
    """The colour map Greys, (256,) uint8: ColorBrewer's nine greys, linear in between."""
    anchors = np.array([255, 240, 217, 189, 150, 115, 82, 37, 0], np.float32)
    # matplotlib's table is in single precision, which shows where a level is cut to a whole number.
    shares = anchors / np.float32(255)
    levels = np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(shares)), shares)
    return (255 * levels).astype(np.uint8)
