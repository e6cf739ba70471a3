"""Both front ends of CREMA-D against scipy, the published code's numbers, and each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from scipy.signal import spectrogram as scipy_spectrogram
from torchaudio.functional import resample

from datasets.avmnist.recordings import Clip, read_recordings
from datasets.errors import DataError
from datasets.raw.wav import parse_wav
from datasets.tensors.spectra import (
    FRONT_ENDS,
    KAISER_BEST,
    log_density,
    log_magnitude,
    published_spectrogram,
    repeated,
    standardised_spectrogram,
    tukey,
)
from datasets.tensors.waveforms import Waveforms
from tests.golden_format import golden

RNG = np.random.default_rng(0)
LENGTHS = torch.tensor([20_000, 48_320, 16_000, 48_000])


def clips() -> torch.Tensor:
    """Four clips of noise with rising loudness, zeros behind their lengths: (4, 48320) int16."""
    noise = RNG.normal(0, 1, (4, 48_320)) * np.linspace(10, 4000, 48_320)
    samples = torch.from_numpy(noise.astype(np.int16))
    return samples * (torch.arange(48_320) < LENGTHS[:, None])


def scipy_log_density(signal: np.ndarray) -> np.ndarray:
    return np.log(scipy_spectrogram(signal, 16_000, nperseg=512, noverlap=353)[2] + 1e-7)


def speech(real_raw: Path) -> list[np.ndarray]:
    """Ten spoken digits at 16 kHz, in [-1, 1)."""
    archive = next(real_raw.glob("**/free-spoken-digit-dataset*"))
    found = read_recordings(archive, lambda clip: clip.take == 7 and clip.speaker == "theo")
    assert sorted(found) == [Clip(digit, "theo", 7) for digit in range(10)]
    samples = [parse_wav(content, 8000, clip.file) for clip, content in sorted(found.items())]
    return [resample_poly(s / 32768, 2, 1) for s in samples]


def test_density_of_real_speech_is_scipys(real_raw: Path) -> None:
    for signal in speech(real_raw):
        tiled = np.tile(signal, 20)[:48_000]
        found = log_density(torch.from_numpy(tiled).float()[None])[0]
        assert found.shape == (257, 299)
        np.testing.assert_allclose(found, scipy_log_density(tiled), atol=1e-5)


def test_the_standardised_front_end_is_the_stated_recipe() -> None:
    samples = clips().float() / 32768
    found = standardised_spectrogram(samples, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        tiled = np.tile(samples[row, :length].double().numpy(), 3)[:48_000]
        expected = scipy_log_density(tiled)
        expected = (expected - expected.mean()) / expected.std()
        np.testing.assert_allclose(found[row, 0], expected, atol=2e-5)


@golden("agm_spectrogram")
def test_the_published_front_end_is_the_published_codes(case: dict[str, Any]) -> None:
    given, expected = case["inputs"], case["outputs"]
    state, waveform = given["generator_state"], []
    for _ in range(given["samples"]):
        state = (1664525 * state + 1013904223) % 2**32
        waveform.append(given["amplitude"] * (state / 2**31 - 1))
    samples = torch.tensor(waveform, dtype=torch.float64).float()[None]
    rows, frames = expected["shape"]
    found = log_magnitude(samples, torch.tensor([given["samples"]]))[0]
    assert found.shape == (257, 188) and rows == 257 and found.dtype == torch.float32
    chosen = found[expected["rows"]][:, expected["columns"]]
    np.testing.assert_allclose(chosen, expected["values"], atol=2e-3)
    assert float(found[:, :frames].mean()) == pytest.approx(expected["mean"], abs=2e-3)


def test_resampling_keeps_tones_and_adds_nothing_above_8_khz() -> None:
    seconds = torch.arange(48_320) / 16_000
    tone = 0.5 * torch.sin(2 * torch.pi * 3000 * seconds)[None]
    found = published_spectrogram(tone, torch.tensor([48_320]))[0, 0, :, 2:-2]
    bin_of_tone = round(3000 / 22_050 * 512)
    assert (found.argmax(0) == bin_of_tone).all()
    frames = torch.sin(2 * torch.pi * 3000 * torch.arange(66_150) / 22_050)[None] * 0.5
    ideal = log_magnitude(frames, torch.tensor([66_150]))[0, :, 2:-2]
    near = slice(bin_of_tone - 2, bin_of_tone + 3)
    torch.testing.assert_close(found[near], ideal[near], atol=0.01, rtol=0)
    assert float(found[200:].max()) < -7


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_batch_is_its_clips_one_by_one(name: str) -> None:
    samples = clips().float() / 32768
    batch = FRONT_ENDS[name](samples, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = FRONT_ENDS[name](samples[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(batch[row], alone[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("name", "level"), [("257x299", 0.0), ("257x188", np.log(1e-7))])
def test_silence_is_one_finite_level(name: str, level: float) -> None:
    silent = FRONT_ENDS[name](torch.zeros(1, 48_320), torch.tensor([20_000]))
    torch.testing.assert_close(silent, torch.full_like(silent, level))


def test_a_resampled_clip_is_repeated_whole() -> None:
    clip = clips()[:1, :20_001].float() / 32768
    faster = resample(clip.double(), 16_000, 22_050, **KAISER_BEST).float()
    tiled = faster.repeat(1, 3)[:, :66_150]
    found = published_spectrogram(clip, torch.tensor([20_001]))[0]
    assert faster.shape[1] == 27_564
    torch.testing.assert_close(found, log_magnitude(tiled, torch.tensor([66_150])))


def test_clips_are_repeated_three_times_and_cut() -> None:
    samples, lengths = torch.tensor([[1.0, 2.0, 0.0], [1.0, 2.0, 3.0]]), torch.tensor([2, 3])
    found = repeated(samples, lengths, 8)
    assert found.tolist() == [[1, 2, 1, 2, 1, 2, 0, 0], [1, 2, 3, 1, 2, 3, 1, 2]]


def test_window_is_scipys() -> None:
    from scipy.signal import get_window

    np.testing.assert_allclose(tukey(512), get_window(("tukey", 0.25), 512), atol=1e-12)


@pytest.mark.parametrize(("name", "frames"), [("257x299", 299), ("257x188", 188)])
def test_moving_to_a_device_expands_to_what_gathering_gives(name: str, frames: int) -> None:
    source = Waveforms(clips(), LENGTHS, FRONT_ENDS[name]).subset(torch.tensor([2, 0, 2]))
    dense = source.to("cpu")
    index = torch.tensor([1, 2])
    assert source.shape == dense.shape == (1, 257, frames)
    torch.testing.assert_close(dense.gather(index), source.gather(index), atol=1e-4, rtol=0)
    assert len(dense) == 3 and dense.values.dtype == torch.float32
    assert source.to("cpu") is dense  # computed once
    assert torch.equal(dense.gather(index)[1], dense.gather(torch.tensor([0]))[0])


@pytest.mark.parametrize(
    ("samples", "lengths", "text"),
    [
        (torch.zeros(2, 9), torch.ones(2).long(), "need int16"),
        (torch.zeros(2, 9).short(), torch.ones(3).long(), r"need int16 \(K, S\) and \(K,\)"),
        (torch.zeros(2, 9).short(), torch.tensor([0, 9]), r"lengths are outside 1\.\.9"),
        (torch.zeros(2, 9).short(), torch.tensor([1, 10]), r"lengths are outside 1\.\.9"),
    ],
)
def test_wrong_samples_are_refused(samples, lengths, text: str) -> None:
    with pytest.raises(DataError, match=text):
        Waveforms(samples, lengths, FRONT_ENDS["257x299"])
