"""Prepared AVE -> tensors: options, protocols, and the stand-in data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets import registry
from datasets.ave.loader import Ave
from datasets.errors import DataError
from datasets.store.arrays import read_arrays
from datasets.store.manifest import read_manifest
from datasets.tensors.dataset import Dataset, SplitTensors
from datasets.tensors.sources import Dense


@pytest.fixture(scope="session")
def folder(stand_in_of: Callable[[str], Path]) -> Path:
    """Prepared stand-in data that no test may change."""
    return stand_in_of("ave")


def test_the_default_is_full_pictures_and_the_official_splits(folder: Path) -> None:
    data = registry.load("ave", folder)
    assert data.spec.shapes == {"audio": (10, 128), "visual": (10, 2, 2, 32)}
    assert (data.spec.classes, data.spec.segments, data.stand_in) == (7, 10, True)
    assert [len(split) for split in (data.train, data.val, data.test)] == [640, 128, 256]
    arrays = read_arrays(folder, read_manifest(folder), "")
    rows = torch.tensor([7, 0, 7])
    inputs, labels = data.test.batch(rows)
    for name, found in (("audio", inputs["audio"]), ("visual_full", inputs["visual"])):
        assert found.dtype == torch.float32
        assert np.array_equal(found, arrays[f"{name}_test"][rows])
    assert labels.tolist() == arrays["labels_test"][rows].flatten().tolist()


def test_the_mean_replaces_the_positions(folder: Path) -> None:
    full, mean = (registry.load("ave", folder, {"visual": v}) for v in ("full", "mean"))
    assert mean.spec.shapes == {"audio": (10, 128), "visual": (10, 32)}
    rows = torch.arange(20)
    (seen, labels), (pooled, same) = full.val.batch(rows), mean.val.batch(rows)
    torch.testing.assert_close(pooled["visual"], seen["visual"].mean((2, 3)), rtol=1e-2, atol=1e-2)
    assert torch.equal(labels, same)
    assert full.fingerprint != mean.fingerprint
    assert full.split_fingerprint == mean.split_fingerprint


def test_only_what_is_asked_for_is_read(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "ave"))
    read = ("audio", "labels", "rows", "visual_mean")
    expected = {f"{name}_{part}.npy" for name in read for part in ("train", "val")}
    for path in copy.glob("*.npy"):
        if path.name not in expected:
            path.unlink()
    registry.load("ave", copy, {"visual": "mean", "protocol": "published"})
    (copy / "rows_val.npy").unlink()
    with pytest.raises(DataError, match="rows_val"):
        registry.load("ave", copy, {"visual": "mean", "protocol": "published"})


def test_published_protocol_reports_on_the_official_validation_clips(folder: Path) -> None:
    chosen, official = (
        registry.load("ave", folder, {"protocol": p}) for p in ("published", "validation")
    )
    assert torch.equal(chosen.test.labels, official.val.labels)
    assert torch.equal(chosen.val.labels, official.val.labels)
    assert torch.equal(chosen.train.labels, official.train.labels)
    assert chosen.split_fingerprint != official.split_fingerprint
    assert chosen.fingerprint != official.fingerprint


def test_the_real_shapes_are_known_without_data() -> None:
    spec = registry.spec("ave")
    assert spec.shapes == {"audio": (10, 128), "visual": (10, 7, 7, 512)}
    assert (spec.classes, spec.segments) == (29, 10)


def test_a_changed_generator_needs_a_new_version(folder: Path) -> None:
    audio = np.abs(np.load(folder / "audio_train.npy"))
    visual = np.load(folder / "visual_full_test.npy").astype(np.float64)
    assert Ave.stand_in_version == "1"
    assert (audio.mean(), visual.mean()) == pytest.approx((3.1282, 2.5413), abs=1e-3)


def ridge_accuracy(data: Dataset, modalities: list[str]) -> float:
    """Test accuracy per second, in [0, 1], of least squares on every product of two modalities'
    features, or on the features of one."""
    train, test = (_design(split, modalities) for split in (data.train, data.test))
    targets = torch.nn.functional.one_hot(data.train.flat_labels, data.spec.classes).float()
    gram = train.T @ train + 1e3 * torch.eye(train.shape[1])
    weights = torch.linalg.solve(gram, train.T @ targets)
    return float(((test @ weights).argmax(1) == data.test.flat_labels).float().mean())


def _design(split: SplitTensors, modalities: list[str]) -> Tensor:
    inputs, labels = split.batch(torch.arange(len(split)))
    design = torch.ones(len(labels), 1)
    projection = torch.Generator().manual_seed(0)
    for m in modalities:
        x = inputs[m].flatten(0, 1)
        x = x.amax((1, 2)) if x.ndim == 4 else x  # the event is at one position
        x = x @ torch.randn(x.shape[1], 24, generator=projection) / x.shape[1]
        x = torch.cat([torch.ones(len(x), 1), x], 1)
        design = (design[:, :, None] * x[:, None]).flatten(1)
    return design


def test_audio_dominates_and_both_together_say_most(folder: Path) -> None:
    data = registry.load("ave", folder)
    audio, visual, both = (
        ridge_accuracy(data, m) for m in (["audio"], ["visual"], ["audio", "visual"])
    )
    chance = float((data.test.flat_labels == 6).float().mean())
    assert chance + 0.05 < visual < audio - 0.05
    assert both > audio + 0.05


def test_dense_gives_float32_rows_and_refuses_other_types() -> None:
    source = Dense(torch.arange(6, dtype=torch.float16).view(3, 2))
    assert source.gather(torch.tensor([2, 0])).tolist() == [[4.0, 5.0], [0.0, 1.0]]
    part = source.subset(torch.tensor([1, 1])).to("cpu")
    assert (len(part), part.distinct_count, part.shape) == (2, 2, (2,))
    assert part.gather(torch.tensor([1])).dtype == torch.float32
    assert part.gather_distinct(torch.tensor([0])).tolist() == [[2.0, 3.0]]
    for wrong in (torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(3)):
        with pytest.raises(DataError, match="need float16 or float32"):
            Dense(wrong)
