"""Prepared AVE -> tensors: options, protocols, and the stand-in data."""

from __future__ import annotations

import shutil
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
from tests.datasets.ave.files import prepare, write_raw


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared stand-in data that no test may change."""
    folder = tmp_path_factory.mktemp("stand_in") / "ave"
    registry.generate_stand_in("ave", folder)
    return folder


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


@pytest.mark.parametrize("options", [{}, {"visual": "mean"}, {"protocol": "published"}])
def test_the_fingerprint_without_torch_is_that_of_the_loaded_data(
    folder: Path, options: dict[str, str]
) -> None:
    loaded = registry.load("ave", folder, options).fingerprint
    assert registry.fingerprint("ave", folder, options) == loaded


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"visual": "ful"}, "unknown visual 'ful'; did you mean 'full'"),
        ({"visuals": "full"}, "unknown option of ave 'visuals'; did you mean 'visual'"),
        ({"protocol": "actor_disjoint"}, "unknown protocol 'actor_disjoint'"),
    ],
)
def test_wrong_options_are_refused(folder: Path, options: dict[str, str], text: str) -> None:
    for use in (registry.load, registry.fingerprint):
        with pytest.raises(DataError, match=text):
            use("ave", folder, options)


def test_a_missing_folder_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\./reproduce\.sh data prepare ave --raw DIR"):
        registry.load("ave", tmp_path / "none")


def test_the_real_shapes_are_known_without_data() -> None:
    spec = registry.spec("ave")
    assert spec.shapes == {"audio": (10, 128), "visual": (10, 7, 7, 512)}
    assert (spec.classes, spec.segments) == (29, 10)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    folder: Path, tmp_path: Path
) -> None:
    registry.generate_stand_in("ave", tmp_path / "again")
    first, again = read_manifest(folder), read_manifest(tmp_path / "again")
    assert (again.fingerprint, again.arrays) == (first.fingerprint, first.arrays)
    assert not registry.generate_stand_in("ave", tmp_path / "again").fresh
    assert registry.generate_stand_in("ave", tmp_path / "again", seed=1).fresh
    other = read_manifest(tmp_path / "again")
    assert other.fingerprint != first.fingerprint
    assert all(other.arrays[n] != entry for n, entry in first.arrays.items())


def test_a_changed_generator_needs_a_new_version(folder: Path) -> None:
    audio = np.abs(np.load(folder / "audio_train.npy"))
    visual = np.load(folder / "visual_full_test.npy").astype(np.float64)
    assert Ave.stand_in_version == "1"
    assert (audio.mean(), visual.mean()) == pytest.approx((3.1282, 2.5413), abs=1e-3)


def test_real_data_is_never_replaced_by_stand_in_data(tmp_path: Path) -> None:
    real = prepare(write_raw(tmp_path / "raw"), tmp_path / "ave")
    with pytest.raises(DataError, match="holds real data; stand-in data needs a folder of its own"):
        registry.generate_stand_in("ave", real.folder)
    assert read_manifest(real.folder) == real.manifest


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
