"""Wrong training labels: how many, which, and what stays as it was."""

from __future__ import annotations

import pytest
import torch

from datasets import registry
from datasets.errors import DataError
from datasets.tensors.label_noise import RECIPE, noisy_fingerprint, wrong_labels

LABELS = torch.arange(5000) % 10


@pytest.fixture
def folder(shared_stand_in):
    return shared_stand_in


@pytest.mark.parametrize("percent", [20, 40, 60, 100])
def test_the_share_of_wrong_labels_is_exact(percent):
    wrong = wrong_labels(LABELS, 10, percent)
    assert int((wrong != LABELS).sum()) == len(LABELS) * percent // 100
    assert int(wrong.min()) >= 0 and int(wrong.max()) <= 9


def test_the_recipe_names_these_wrong_labels():
    """No digest of code holds them: where other labels come out, RECIPE must be raised, so that the
    fingerprint tells them apart, and these numbers change with it."""
    clean = torch.arange(1000) % 10
    wrong = wrong_labels(clean, 10, 20)
    where = (wrong != clean).nonzero().flatten()[:20]
    assert RECIPE == 1
    assert where.tolist() == [
        *(4, 6, 7, 25, 34, 36, 40, 42, 47, 55),
        *(57, 65, 68, 75, 82, 90, 94, 95, 105, 111),
    ]
    assert wrong[where].tolist() == [7, 8, 9, 8, 3, 0, 8, 0, 2, 1, 6, 8, 5, 1, 3, 4, 0, 4, 6, 2]
    assert noisy_fingerprint("clean", 20).startswith("060237561e5e")


def test_every_other_class_is_equally_likely():
    wrong = wrong_labels(torch.zeros(90_000, dtype=torch.long), 10, 100)
    counts = torch.bincount(wrong, minlength=10)
    assert counts[0] == 0
    assert (counts[1:] - 10_000).abs().max() < 500  # five standard deviations


def test_more_noise_keeps_the_wrong_labels_of_less():
    some, more = (wrong_labels(LABELS, 10, percent) for percent in (20, 60))
    wrong = some != LABELS
    assert torch.equal(some[wrong], more[wrong])


def test_segments_are_relabelled_one_by_one():
    wrong = wrong_labels(LABELS.reshape(500, 10), 10, 40)
    assert wrong.shape == (500, 10)
    assert int((wrong.flatten() != LABELS).sum()) == 2000


def test_only_training_labels_change(folder):
    clean, noisy = (
        registry.load("avmnist", folder, {"label_noise": percent}) for percent in (0, 20)
    )
    changed = (clean.train.labels != noisy.train.labels).double().mean()
    assert float(changed) == pytest.approx(0.2, abs=0.001)
    for split in ("val", "test"):
        assert torch.equal(getattr(clean, split).labels, getattr(noisy, split).labels)
    rows = torch.arange(4)
    for name, values in clean.train.batch(rows)[0].items():
        assert torch.equal(values, noisy.train.batch(rows)[0][name])


def test_the_fingerprint_tells_noise_and_is_the_same_before_loading(folder):
    options = [{"label_noise": percent} for percent in (20, 40)]
    loaded = [registry.load("avmnist", folder, o).fingerprint for o in [{}, *options]]
    assert len(set(loaded)) == 3
    assert loaded == [registry.fingerprint("avmnist", folder, o) for o in [{}, *options]]
    assert registry.fingerprint("avmnist", folder, {"label_noise": 0}) == loaded[0]


@pytest.mark.parametrize("percent", [-1, 101, 0.2, "20", True, None])
def test_an_impossible_percentage_is_refused(percent, folder):
    with pytest.raises(DataError, match=r"label_noise=.*whole number of percent, 0 to 100"):
        registry.fingerprint("avmnist", folder, {"label_noise": percent})
