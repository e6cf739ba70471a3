"""Stand-in AV-MNIST: marked, deterministic, learnable, and never in the place of real data."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets import registry
from datasets.avmnist.loader import AvMnist
from datasets.errors import DataError
from datasets.store.manifest import read_manifest
from datasets.tensors.dataset import Dataset, SplitTensors


def flat(split: SplitTensors, modality: str) -> Tensor:
    """Every sample of a modality, average-pooled to 7 x 7: (N, 49)."""
    pixels = split.inputs[modality].gather(torch.arange(len(split)))
    return torch.nn.functional.adaptive_avg_pool2d(pixels, 7).flatten(1)


def ridge_accuracy(data: Dataset, modality: str) -> float:
    """Test accuracy, in [0, 1], of least squares on one-hot labels."""
    train, test = (flat(split, modality) for split in (data.train, data.test))
    mean = train.mean(0)
    targets = torch.nn.functional.one_hot(data.train.labels, 10).float() - 0.1
    gram = (train - mean).T @ (train - mean) + torch.eye(49)
    weights = torch.linalg.solve(gram, (train - mean).T @ targets)
    return float((((test - mean) @ weights).argmax(1) == data.test.labels).float().mean())


def test_audio_is_easy_and_images_are_hard_where_they_belong_together(
    shared_stand_in: Path,
) -> None:
    aligned = registry.load("avmnist", shared_stand_in, {"pairing": "aligned"})
    assert ridge_accuracy(aligned, "audio") > 0.9
    assert 0.35 < ridge_accuracy(aligned, "visual") < 0.75


def test_scrambling_turns_the_order_of_the_modalities(shared_stand_in: Path) -> None:
    scrambled = registry.load("avmnist", shared_stand_in, {"pairing": "scrambled"})
    audio, visual = (ridge_accuracy(scrambled, m) for m in ("audio", "visual"))
    assert 0.25 < audio < 0.45
    assert visual > audio


def test_stand_in_data_is_marked_everywhere(shared_stand_in: Path) -> None:
    assert registry.load("avmnist", shared_stand_in).stand_in
    state = registry.prepared_state("avmnist", shared_stand_in)
    assert state.stand_in and "stand-in" in state.detail
    assert read_manifest(shared_stand_in).stand_in


def test_the_same_seed_gives_the_same_bytes(shared_stand_in: Path, tmp_path: Path) -> None:
    registry.generate_stand_in("avmnist", tmp_path / "again")
    again, first = read_manifest(tmp_path / "again"), read_manifest(shared_stand_in)
    assert (again.fingerprint, again.arrays) == (first.fingerprint, first.arrays)


def test_another_seed_gives_other_data_in_the_same_place(stand_in: Path) -> None:
    before = read_manifest(stand_in)
    assert registry.generate_stand_in("avmnist", stand_in, seed=1).fresh
    after = read_manifest(stand_in)
    assert after.fingerprint != before.fingerprint
    assert all(after.arrays[name] != before.arrays[name] for name in ("audio_train", "basis_test"))


def test_a_changed_generator_needs_a_new_version(shared_stand_in: Path) -> None:
    # Means, not digests: the last bit of a sine may differ between machines.
    pictures = np.load(shared_stand_in / "audio_train.npy")
    coefficients = np.load(shared_stand_in / "coefficients_test.npy")
    assert AvMnist.stand_in_version == "1"
    assert pictures.mean() == pytest.approx(99.2800, abs=0.001)
    assert np.abs(coefficients).mean() == pytest.approx(240.794, abs=0.01)


def test_real_data_is_never_replaced_by_stand_in_data(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.store.manifest.read_manifest", lambda _: RealManifest)
    with pytest.raises(DataError, match="holds real data; stand-in data needs a folder of its own"):
        registry.generate_stand_in("avmnist", stand_in, seed=2)


class RealManifest:
    """A manifest of real data, as far as the question goes."""

    stand_in = False
    recipe: ClassVar = {}
