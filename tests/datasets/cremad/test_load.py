"""CREMA-D as loaded: published lists, splits, shapes, the stand-in, size of the networks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.models import build_model
from datasets import registry
from datasets.cremad.clip import Outcome
from datasets.cremad.loader import Cremad
from datasets.cremad.prepare import facts_of
from datasets.cremad.raw import (
    RawCremad,
    actor_of,
    check_label_list,
    find_raw,
    label_of,
    read_pointers,
    read_split_lists,
)
from datasets.cremad.spec import FOLDS, KINDS, LABELS
from datasets.cremad.splits import split_rows
from datasets.cremad.stand_in import write_clips
from datasets.errors import DataError
from datasets.store.manifest import read_manifest
from datasets.store.splits import split_fingerprint
from datasets.tensors.dataset import Dataset, SplitTensors
from tests.datasets.conftest import REPOSITORY

FRAME_MEAN, SAMPLE_MEAN = 119.025, 2672.730
COUNTS = {
    "train": {"ANG": 1166, "DIS": 1142, "FEA": 1138, "HAP": 1148, "NEU": 973, "SAD": 1131},
    "test": {"ANG": 105, "DIS": 129, "FEA": 133, "HAP": 123, "NEU": 114, "SAD": 140},
}


@pytest.fixture(scope="module")
def real_lists() -> RawCremad:
    folder = Path(os.environ.get("MSAM_RAW_DIR") or REPOSITORY.parent / "shared" / "data")
    try:
        return find_raw([folder])
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def real_clips(real_lists: RawCremad) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Clips, labels and whether they are of the test list."""
    parts = read_split_lists(real_lists.lists)
    clips = parts["train"] + parts["test"]
    is_test = np.repeat([0, 1], [len(parts["train"]), len(parts["test"])])
    return clips, np.array([label_of(clip) for clip in clips]), is_test


@pytest.fixture(scope="session")
def folder(stand_in_of: Callable[[str], Path]) -> Path:
    """Prepared stand-in data that no test may change."""
    return stand_in_of("cremad")


def test_published_lists_have_their_sizes_and_labels(real_lists: RawCremad) -> None:
    check_label_list(real_lists.labels)
    for part, clips in read_split_lists(real_lists.lists).items():
        found = {label: sum(label_of(c) == k for c in clips) for k, label in enumerate(LABELS)}
        assert found == COUNTS[part]


def test_official_sums_cover_every_clip_and_show_the_known_oddities(real_lists: RawCremad) -> None:
    if real_lists.pointers is None:
        pytest.skip("no list of official pointers")
    known, parts = read_pointers(real_lists.pointers), read_split_lists(real_lists.lists)
    outcomes = [
        Outcome(
            clip,
            None,
            {kind: known[clip, kind].sha256 for kind in KINDS},
            {kind: known[clip, kind].bytes for kind in KINDS},
        )
        for clips in parts.values()
        for clip in clips
    ]
    facts = facts_of(parts, outcomes, known)
    assert facts["rows"] == {"train": 6698, "test": 744} and facts["unverified"] == 0
    assert facts["same_sound"] == [
        ["1006_TIE_HAP_XX", "1006_TIE_NEU_XX"],
        ["1013_WSI_DIS_XX", "1013_WSI_SAD_XX"],
        ["1017_IWW_ANG_XX", "1017_IWW_FEA_XX"],
    ]
    assert list(facts["outliers"]) == ["1064_IEO_DIS_MD", "1064_TIE_SAD_XX", "1076_MTI_NEU_XX"]
    assert facts["outliers"]["1076_MTI_NEU_XX"] == 35166


@pytest.mark.parametrize(
    ("protocol", "sizes"), [("validation", (6028, 670, 744)), ("published", (6028, 669, 669))]
)
def test_splits_have_the_published_sizes(real_clips, protocol: str, sizes) -> None:
    rows = split_rows(*real_clips, protocol)
    assert tuple(map(len, rows.values())) == sizes
    is_test = real_clips[2]
    assert not is_test[rows["train"]].any() and is_test[rows["test"]].all()
    if protocol == "published":
        assert np.array_equal(rows["val"], rows["test"]) and rows["train"][-1] == 6027
    else:
        assert not set(rows["train"]) & set(rows["val"])


def test_no_actor_is_in_two_splits_and_classes_are_balanced(real_clips) -> None:
    clips, labels, _ = real_clips
    rows = split_rows(*real_clips, "actor_disjoint")
    actors = {s: {actor_of(clips[i]) for i in index} for s, index in rows.items()}
    assert {s: len(a) for s, a in actors.items()} == {"train": 73, "val": 9, "test": 9}
    assert len(set.union(*actors.values())) == 91
    assert sorted(np.concatenate(list(rows.values()))) == list(range(7442))
    every = np.bincount(labels) / len(labels)
    for split in ("val", "test"):
        assert abs(len(rows[split]) - 744) < 15
        shares = np.bincount(labels[rows[split]]) / len(rows[split])
        assert np.abs(shares - every).max() < 0.006
    again = split_rows(*real_clips, "actor_disjoint")
    assert all(np.array_equal(rows[s], again[s]) for s in rows)


@pytest.mark.parametrize(
    ("protocol", "sizes", "fingerprint"),
    [
        ("actor_disjoint", (5966, 738, 738), "fd98e1c56d2024b1"),
        ("tfds", (5144, 738, 1556), "18a69643d36b1345"),
        ("fold_1", (4427, 1476, 1539), "ab296ac916452bd2"),
        ("fold_2", (4490, 1476, 1476), "c742430f981c674c"),
        ("fold_3", (4490, 1476, 1476), "3520e9931a2b76ce"),
        ("fold_4", (4491, 1475, 1476), "eb0b990b3a908891"),
        ("fold_5", (4428, 1539, 1475), "70688de477b33cdd"),
    ],
)
def test_splits_by_actor_are_the_published_ones(
    real_clips, protocol: str, sizes: tuple[int, ...], fingerprint: str
) -> None:
    clips = real_clips[0]
    rows = split_rows(*real_clips, protocol)
    assert tuple(map(len, rows.values())) == sizes
    names = {split: [clips[i] for i in index] for split, index in rows.items()}
    assert split_fingerprint(**names)[:16] == fingerprint
    actors = [{actor_of(clip) for clip in own} for own in names.values()]
    assert sum(map(len, actors)) == len(set.union(*actors)) == 91


def test_every_actor_is_tested_in_one_fold_and_validates_in_another(real_clips) -> None:
    folds = [split_rows(*real_clips, protocol) for protocol in FOLDS]
    for split in ("val", "test"):
        assert sorted(np.concatenate([rows[split] for rows in folds])) == [*range(7442)]


@pytest.mark.parametrize(("front_end", "frames"), [("257x299", 299), ("257x188", 188)])
def test_shapes_follow_the_front_end(folder: Path, front_end: str, frames: int) -> None:
    data = registry.load("cremad", folder, {"front_end": front_end})
    assert data.spec.shapes == {"audio": (1, 257, frames), "visual": (3, 56, 56)}
    inputs, labels = data.train.to("cpu").batch(torch.arange(8), torch.Generator())
    assert {m: tuple(x.shape[1:]) for m, x in inputs.items()} == data.spec.shapes
    assert all(x.dtype == torch.float32 and x.isfinite().all() for x in inputs.values())
    assert labels.shape == (8,)


def test_device_memory_is_that_of_frames_and_spectrograms(folder: Path) -> None:
    manifest = Cremad().manifest(folder)
    found = Cremad().device_bytes(manifest, {"front_end": "257x188"})
    assert found == pytest.approx(360 * (64 * 85 * 3 + 4 * 257 * 188), rel=0.001)


def test_stand_in_is_small(folder: Path) -> None:
    data, manifest = registry.load("cremad", folder), read_manifest(folder)
    assert (len(data.train), len(data.val), len(data.test)) == (270, 30, 60)
    assert manifest.total_bytes() < 45e6 and not manifest.facts["skipped"]


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    clips = [f"1001_DFA_{label}_XX" for label in LABELS]
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_clips(tmp_path / name, clips, np.random.RandomState(seed))
    for clip, (kind, place) in itertools.product(clips, KINDS.items()):
        first, again, other = (tmp_path / x / place / f"{clip}.{kind}" for x in "abc")
        assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_a_changed_generator_needs_a_new_version(folder: Path) -> None:
    # Means, not digests: the last bit of a sine may differ between machines.
    assert Cremad.stand_in_version == "1"
    samples = np.load(folder / "samples.npy").astype(float)
    assert np.load(folder / "frames.npy").mean() == pytest.approx(FRAME_MEAN, abs=0.05)
    assert np.abs(samples).mean() == pytest.approx(SAMPLE_MEAN, abs=0.5)


def test_both_modalities_together_tell_more_than_each_alone(folder: Path) -> None:
    data = registry.load("cremad", folder)
    train, test = ({m: flat(s, m) for m in s.inputs} for s in (data.train, data.test))
    chosen = {"audio": ["audio"], "visual": ["visual"], "both": ["audio", "visual"]}
    accuracy = {
        name: ridge_accuracy(
            *(torch.cat([part[m] for m in names], 1) for part in (train, test)), data
        )
        for name, names in chosen.items()
    }
    assert 0.3 < accuracy["visual"] < accuracy["audio"] < 0.85
    assert accuracy["both"] > accuracy["audio"] + 0.1


def flat(split: SplitTensors, modality: str) -> torch.Tensor:
    """Every sample of a modality, pooled to 32 rows of 2 columns: (N, 64 * channels)."""
    values = split.inputs[modality].gather(torch.arange(len(split)))
    pooled = torch.nn.functional.adaptive_avg_pool2d(values, (32, 2)).flatten(1)
    return pooled / pooled.std()


def ridge_accuracy(train: torch.Tensor, test: torch.Tensor, data: Dataset) -> float:
    """Test accuracy, in [0, 1], of least squares on one-hot labels."""
    targets = torch.nn.functional.one_hot(data.train.labels, 6).float() - 1 / 6
    mean = train.mean(0)
    gram = (train - mean).T @ (train - mean) + 30 * torch.eye(train.shape[1])
    weights = torch.linalg.solve(gram, (train - mean).T @ targets)
    return float((((test - mean) @ weights).argmax(1) == data.test.labels).float().mean())


@pytest.mark.parametrize(("fusion", "parameters"), [("late", 22_352_908), ("early", 30_755_846)])
def test_networks_have_the_published_number_of_parameters(fusion: str, parameters: int) -> None:
    spec = registry.spec("cremad")
    with torch.device("meta"):
        model = build_model(spec.shapes, spec.classes, fusion, "resnet18")
    assert sum(p.numel() for p in model.parameters()) == parameters
