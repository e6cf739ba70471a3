"""Stand-in AV-MNIST: marked, deterministic, learnable, and never in the place of real data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets import registry
from datasets.avmnist.loader import AvMnist
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


def test_a_changed_generator_needs_a_new_version(shared_stand_in: Path) -> None:
    # Means, not digests: the last bit of a sine may differ between machines.
    pictures = np.load(shared_stand_in / "audio_train.npy")
    coefficients = np.load(shared_stand_in / "coefficients_test.npy")
    assert AvMnist.stand_in_version == "1"
    assert pictures.mean() == pytest.approx(99.2800, abs=0.001)
    assert np.abs(coefficients).mean() == pytest.approx(240.794, abs=0.01)
