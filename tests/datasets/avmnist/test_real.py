"""The published data: what our preparation of it must equal. Skips without the raw files."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import requests
import torch

from datasets import registry
from datasets.avmnist.raw import PUBLISHED, read_raw, scan
from datasets.avmnist.recordings import clip_of, digest, read_recordings
from datasets.avmnist.spec import FSDD, SOURCES, SPEAKERS
from datasets.avmnist.spectrogram import spectrogram
from datasets.errors import DataError
from datasets.raw.fetch import problem_with
from datasets.store.manifest import read_manifest
from tests.datasets.avmnist.test_spectrogram import drawn

MB = 1e6


def test_pca_energy_is_the_measured_one(real_prepared: Path) -> None:
    energy = read_manifest(real_prepared).facts["energy"]
    assert energy["train"] == [0.0970, 0.1680, 0.2297, 0.2836]
    assert energy["test"] == [0.1005, 0.1759, 0.2373, 0.2916]


def test_scrambled_shares_are_those_that_explain_the_published_accuracy(
    real_prepared: Path,
) -> None:
    moved = read_manifest(real_prepared).facts["scrambled"]["train"]
    assert moved["in_place"] == pytest.approx(0.35, abs=0.01)
    assert moved["same_label"] == pytest.approx(0.4125, abs=0.0075)


def test_splits_have_the_published_sizes(real_prepared: Path) -> None:
    data = registry.load("avmnist", real_prepared)
    assert (len(data.train), len(data.val), len(data.test)) == (55_000, 5_000, 10_000)
    audio = {name: getattr(data, name).inputs["audio"] for name in ("train", "test")}
    assert (audio["train"].distinct_count, audio["test"].distinct_count) == (1_600, 400)
    assert not data.stand_in


def test_images_are_centred_and_far_outside_the_range_of_bytes(real_prepared: Path) -> None:
    data = registry.load("avmnist", real_prepared)
    images = 255 * data.test.inputs["visual"].gather(torch.arange(10_000))
    assert abs(float(images.mean())) < 1e-2
    assert -260 < float(images.min()) < -150 < 200 < float(images.max()) < 320


@pytest.mark.parametrize("part", ["train", "test"])
def test_every_aligned_recording_says_its_images_digit(real_prepared: Path, part: str) -> None:
    names = ("clip_digits", "aligned", "labels")
    digits, aligned, labels = (np.load(real_prepared / f"{name}_{part}.npy") for name in names)
    assert np.array_equal(digits[aligned], labels)


def test_the_preparation_is_small_and_pinned(real_prepared: Path) -> None:
    manifest = read_manifest(real_prepared)
    assert manifest.total_bytes() < 40 * MB
    assert manifest.fingerprint.startswith("04fafceebc6b5492")


def test_a_second_preparation_is_up_to_date_unless_forced(
    real_raw: Path, real_prepared: Path, tmp_path: Path
) -> None:
    assert not registry.prepare("avmnist", [real_raw], real_prepared).fresh
    with pytest.raises(DataError, match="is missing in"):
        registry.prepare("avmnist", [tmp_path], real_prepared, force=True)
    assert registry.prepared_state("avmnist", real_prepared).state == "prepared"


@pytest.mark.parametrize("take", [0, 17, 39, 40, 49])
def test_spectrograms_are_the_drawn_ones(real_raw: Path, take: int) -> None:
    clips = read_raw([real_raw], PUBLISHED).clips
    chosen = {clip: samples for clip, samples in clips.items() if clip.take == take}
    assert len(chosen) == 10 * len(SPEAKERS)
    for clip, samples in chosen.items():
        assert np.array_equal(spectrogram(samples, clip.file), drawn(samples)), clip
    plt.close("all")


def test_the_raw_files_are_the_ones_in_the_list_of_sources(real_raw: Path) -> None:
    named = scan([real_raw]).search.named
    pinned = {source.file: source for source in SOURCES if source.sha256}
    assert len(pinned) == 4
    assert all(problem_with(named(name)[0], source) is None for name, source in pinned.items())


def test_one_changed_sample_of_one_clip_is_found(real_raw: Path) -> None:
    recordings = read_recordings(scan([real_raw]).recordings[0], PUBLISHED.wants)
    assert digest(recordings) == PUBLISHED.recordings_sha256
    clip = clip_of("7_theo_49.wav")
    recordings[clip] = recordings[clip][:-1] + b"x"
    with pytest.raises(DataError, match=r"recordings have digest .*, expected 4336d941"):
        PUBLISHED.check_recordings(recordings, "fsdd")


def test_without_raw_only_missing_files_are_downloaded(
    real_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.Session.get", offline)
    found = scan([real_raw])
    places = {source.file: next(iter(found.search.named(source.file)), None) for source in SOURCES}
    places[FSDD.file] = next(place for place in found.recordings if place.is_file())
    downloads = tmp_path / "raw" / "avmnist"
    downloads.mkdir(parents=True)
    for name, path in places.items():
        (downloads / name).symlink_to(path)
    assert registry.prepare("avmnist", [], tmp_path / "prepared" / "avmnist").fresh
    (downloads / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"cannot download t10k-labels.*no connection \(offline\)"):
        registry.prepare("avmnist", [], tmp_path / "prepared" / "avmnist", force=True)


def offline(*_: object, **__: object) -> None:
    """Takes the place of the connection."""
    raise requests.ConnectionError("offline")
