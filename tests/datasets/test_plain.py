"""A dataset that says only how its raw files are read and written: what the base class does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.errors import DataError
from datasets.loader import Loader
from datasets.spec import DatasetSpec, RawSource, silent

PARTS = ("train", "val", "test")


class Toy(Loader):
    """Two modalities and three labels per sample."""

    spec = DatasetSpec("toy", {"audio": (2,), "visual": (3, 4)}, 5, segments=3)
    recipe_version = 1
    raw_files = ("toy.npz",)
    sources = (RawSource("toy.npz", ("https://example.org/toy",), "none", "Doe", size="1 kB"),)

    def read_raw(self, files: Mapping[str, Path]) -> dict:
        with np.load(files["toy.npz"], allow_pickle=False) as stored:
            keys = ("audio", "visual", "labels")
            return {part: {key: stored[f"{key}_{part}"] for key in keys} for part in PARTS}

    def write_raw(self, folder: Path, seed: int) -> None:
        np.savez(folder / "toy.npz", **arrays(seed))


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    found = {}
    for count, part in zip((6, 4, 5), PARTS, strict=True):
        found[f"audio_{part}"] = random.standard_normal((count, 2)).astype(np.float32)
        found[f"visual_{part}"] = random.standard_normal((count, 3, 4)).astype(np.float16)
        found[f"labels_{part}"] = random.randint(0, 5, (count, 3))
    return found


def prepare(folder: Path, content: Mapping[str, np.ndarray], force: bool = False):
    raw = folder / "raw" / "toy"
    raw.mkdir(parents=True, exist_ok=True)
    np.savez(raw / "toy.npz", **content)
    return Toy().prepare([], folder / "prepared" / "toy", progress=silent, force=force)


def test_what_is_read_comes_back_as_float32_batches(tmp_path: Path) -> None:
    report = prepare(tmp_path, arrays())
    assert report.fresh and report.notes == (
        "train: 6 samples",
        "val: 4 samples",
        "test: 5 samples",
    )
    data = Toy().load(report.folder, {})
    inputs, labels = data.test.batch(torch.tensor([4, 0]))
    assert torch.equal(inputs["visual"], torch.tensor(arrays()["visual_test"][[4, 0]]).float())
    assert labels.tolist() == arrays()["labels_test"][[4, 0]].flatten().tolist()
    published = Toy().load(report.folder, {"protocol": "published"})
    assert torch.equal(published.test.labels, data.val.labels)
    assert published.split_fingerprint != data.split_fingerprint


def test_it_is_prepared_again_when_a_file_has_changed(tmp_path: Path) -> None:
    first = prepare(tmp_path, arrays())
    assert not prepare(tmp_path, arrays()).fresh
    assert prepare(tmp_path, arrays(), force=True).fresh
    other = prepare(tmp_path, arrays(seed=1))
    assert other.fresh and other.manifest.fingerprint != first.manifest.fingerprint
    (tmp_path / "raw" / "toy" / "toy.npz").unlink()
    (tmp_path / "raw" / "toy").rmdir()
    assert not Toy().prepare([], other.folder, progress=silent, force=False).fresh


def test_missing_files_are_named_with_their_addresses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"toy\.npz missing .*https://example\.org/toy"):
        Toy().prepare([tmp_path], tmp_path / "toy", progress=silent, force=False)
    with pytest.raises(NotImplementedError, match="read_raw"):
        Loader.read_raw(Toy(), {})


def changed(key: str, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    return {**arrays(), key: change(arrays()[key])}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({}, r"toy\.npz cannot be read"),
        (changed("audio_train", lambda x: x.astype(float)), r"train, audio is float64 \(6, 2\)"),
        (changed("visual_val", lambda x: x[:, :2]), r"val, visual is float16 \(4, 2, 4\)"),
        (changed("audio_test", lambda x: x * np.inf), "test, audio holds NaN or infinite"),
        (changed("audio_test", lambda x: x[1:]), "samples differ: audio 4, visual 5, labels 5"),
        (changed("labels_test", lambda x: x + 9), "labels go from .* need 0 to 4"),
        (changed("labels_val", lambda x: x[:, 0]), r"labels are int64 \(4,\)"),
        (changed("labels_val", lambda x: x / 2), "labels are float64"),
    ],
)
def test_what_does_not_fit_the_spec_is_one_clear_line(
    tmp_path: Path, content: dict, text: str
) -> None:
    with pytest.raises(DataError, match=text) as caught:
        prepare(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "prepared" / "toy").exists()


def test_the_audit_finds_equal_samples_and_needs_prepared_data(tmp_path: Path) -> None:
    (missing,) = Toy().audit([], tmp_path / "none")
    assert missing.severity == "not checked" and "data prepare toy" in missing.text
    twin = arrays()
    twin["audio_test"][0] = twin["audio_train"][5]
    folder = prepare(tmp_path, twin).folder
    found = {(f.check, *f.protocols): f for f in Toy().audit([], folder)}
    assert found["identical audio", "validation"].severity == "leak"
    assert found["identical audio", "published"].severity == "ok"
    assert found["identical visual", "validation"].severity == "ok"
    assert found["selection", "published"].severity == "leak"
    assert found["classes", "validation"].numbers["train"].keys() == set("01234")
