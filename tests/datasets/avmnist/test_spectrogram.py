"""The spectrogram equals the published recipe, drawn by matplotlib, bit for bit."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.avmnist.spectrogram import greys, spectrogram, window_and_hop
from datasets.errors import DataError

matplotlib.use("Agg")


def drawn(samples: np.ndarray) -> np.ndarray:
    """The published recipe: draw, keep the red channel; (112, 112) uint8."""
    window, hop = searched(len(samples))
    figure, axes = plt.subplots(figsize=(1.12, 1.12), dpi=100)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    axes.axis("off")
    signal = (samples / 32768).astype(np.float32)
    overlap = window - hop
    axes.specgram(signal, NFFT=window, noverlap=overlap, pad_to=223, Fs=8000, cmap="Greys")
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., 0].copy()
    plt.close(figure)
    return picture


def searched(samples: int) -> tuple[int, int]:
    """Window and hop by trying every window and overlap in turn."""
    first = -(-samples // 112) - 1
    candidates = ((i, j) for i in range(first, samples) for j in range(i))
    i, j = next((i, j) for i, j in candidates if 113 * i - 112 * j > samples >= 112 * i - 111 * j)
    return i, i - j


@given(st.integers(1148, 18262))
def test_window_search_agrees_with_trying_all(samples: int) -> None:
    assert window_and_hop(samples) == searched(samples)


@given(st.integers(240, 24000))
def test_every_clip_is_cut_into_112_frames(samples: int) -> None:
    window, hop = window_and_hop(samples)
    assert 1 + (samples - window) // hop == 112
    assert 1 <= hop <= window <= 223


def test_greys_is_matplotlibs_colour_map() -> None:
    table = matplotlib.colormaps["Greys"](np.arange(256), bytes=True)
    assert np.array_equal(greys(), table[:, 0])


@pytest.mark.parametrize("length", [1148, 2000, 3457, 5001, 9999, 18262])
def test_spectrogram_of_noise_is_the_drawn_one(length: int) -> None:
    noise = np.random.default_rng(length).normal(0, 3000, length).astype(np.int16)
    assert np.array_equal(spectrogram(noise, "x"), drawn(noise))


def test_quiet_is_white_and_low_tones_are_at_the_bottom() -> None:
    seconds = np.arange(4000) / 8000
    random = np.random.default_rng(0)
    hum = 20000 * np.sin(2 * np.pi * 300 * seconds) + random.normal(0, 10, 4000)
    picture = spectrogram(hum.astype(np.int16), "x")
    assert picture[-12:].mean() < 100 < 150 < picture[:80].mean()


@pytest.mark.parametrize("length", [0, 1, 50, 111, 30_000, 10**6])
def test_a_clip_of_impossible_length_is_named(length: int) -> None:
    with pytest.raises(DataError, match=rf"0_theo_1\.wav: a clip of {length} samples"):
        spectrogram(np.ones(length, np.int16), "0_theo_1.wav")


def test_a_silent_clip_is_named() -> None:
    with pytest.raises(DataError, match=r"0_theo_1\.wav: the recording is silent"):
        spectrogram(np.zeros(3000, np.int16), "0_theo_1.wav")
