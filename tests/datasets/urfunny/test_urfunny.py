"""UR-Funny from MultiBench's file: cleaned as published, checked, stored without padding."""

from __future__ import annotations

import errno
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import registry
from datasets.errors import DataError
from datasets.store.manifest import read_manifest
from datasets.tensors.dataset import Dataset
from datasets.urfunny.loader import UrFunny
from datasets.urfunny.prepare import first_words, mean_and_deviation

WIDTHS = {"audio": 81, "vision": 371, "text": 300}
WORDS = 5


def part(count: int, seed: int) -> dict[str, Any]:
    """Items of 1, 2, ... 5, 1, ... words behind zeros."""
    random = np.random.RandomState(seed)
    is_word = np.arange(WORDS) >= WORDS - 1 - np.arange(count)[:, None] % WORDS
    features = {
        key: (random.standard_normal((count, WORDS, width)) * is_word[..., None]).astype("f4")
        for key, width in WIDTHS.items()
    }
    return features | {"labels": np.arange(count) % 2, "id": np.arange(count) + 100 * seed}


@pytest.fixture
def content() -> dict[str, dict[str, Any]]:
    return {"train": part(12, 1), "valid": part(6, 2), "test": part(7, 3)}


@pytest.fixture(scope="session")
def made(stand_in_of: Callable[[str], Path]) -> Path:
    """The prepared stand-in, which no test may change."""
    return stand_in_of("urfunny")


def prepared(content: Any, folder: Path, **options: Any) -> registry.PrepareReport:
    """Prepares `content` as a humor.pkl somewhere below a raw folder."""
    path = folder / "raw" / "mosei" / "humor.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=4))
    return registry.prepare("urfunny", [folder / "raw"], folder / "prepared", **options)


def samples(folder: Path, split: str = "train", **options: str) -> tuple[dict, torch.Tensor]:
    found = getattr(registry.load("urfunny", folder / "prepared", options), split)
    return found.batch(torch.arange(len(found)))


def test_every_item_starts_at_its_first_word_and_ends_in_zeros(
    content: dict, tmp_path: Path
) -> None:
    prepared(content, tmp_path)
    inputs, labels = samples(tmp_path)
    assert list(inputs) == ["audio", "visual", "text"]
    assert labels.tolist() == content["train"]["labels"].tolist()
    for ours, theirs in (("audio", "audio"), ("visual", "vision"), ("text", "text")):
        for item, raw in enumerate(content["train"][theirs]):
            length = 1 + item % WORDS
            found = inputs[ours][item].numpy()
            assert np.array_equal(found[:length], raw[WORDS - length :])
            assert not found[length:].any()


def test_the_first_word_of_the_text_cuts_all_modalities(content: dict, tmp_path: Path) -> None:
    for key in ("audio", "vision"):
        content["train"][key][0] = 1  # sound and face before the text begins
        content["train"][key][4, 0] = 0  # and none although it has begun
    prepared(content, tmp_path)
    inputs, _ = samples(tmp_path)
    assert inputs["audio"][0].any(1).tolist() == [True, False, False, False, False]
    assert inputs["visual"][4].any(1).tolist() == [False, True, True, True, True]


def test_the_length_is_that_of_the_longest_item_of_any_part(content: dict, tmp_path: Path) -> None:
    for key in WIDTHS:
        for name in ("train", "test"):
            content[name][key][:, :2] = 0
    prepared(content, tmp_path)
    loaded = registry.load("urfunny", tmp_path / "prepared")
    assert loaded.spec.shapes == {"audio": (5, 81), "visual": (5, 371), "text": (5, 300)}
    for key in WIDTHS:
        content["valid"][key][:, :2] = 0
    prepared(content, tmp_path)
    assert registry.load("urfunny", tmp_path / "prepared").spec.shapes["text"] == (3, 300)


def test_items_without_text_are_dropped_and_counted(content: dict, tmp_path: Path) -> None:
    content["train"]["text"][[2, 7]] = 0
    report = prepared(content, tmp_path)
    assert "train: 10 items (5 funny) of 27 words; 2 without text dropped" in str(report)
    inputs, labels = samples(tmp_path)
    kept = [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
    assert labels.tolist() == content["train"]["labels"][kept].tolist()
    assert np.array_equal(inputs["visual"][2, :4], content["train"]["vision"][3, 1:])
    names = np.load(tmp_path / "prepared" / "names_train.npy").tolist()
    assert names == [str(100 + item) for item in kept]


def test_minus_infinity_in_the_sound_becomes_zero_and_is_counted(
    content: dict, tmp_path: Path
) -> None:
    content["valid"]["audio"][3, 4, :2] = -np.inf
    report = prepared(content, tmp_path)
    assert report.manifest.facts["parts"]["val"]["replaced"] == 2
    row = samples(tmp_path, "val")[0]["audio"][3, 3]
    assert row[:2].tolist() == [0, 0] and row[2:].all()


@pytest.mark.parametrize(
    "labels",
    [
        lambda x: x,
        lambda x: x[:, None],
        lambda x: x[:, None, None],
        lambda x: (2.0 * x - 1)[:, None, None],
        lambda x: x.astype(bool),
        lambda x: x.astype(np.float32),
    ],
)
def test_labels_come_in_many_forms(content: dict, tmp_path: Path, labels) -> None:
    expected = content["train"]["labels"]
    content["train"]["labels"] = labels(expected)
    prepared(content, tmp_path)
    assert samples(tmp_path)[1].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "names",
    [
        list("abcdef"),
        np.array([["talk", 1.5, item] for item in range(6)], dtype=object),
        np.array(["é", "b", "c", "d", "e", "f"]),
        np.array([[item] for item in range(6)]),
    ],
)
def test_names_come_in_many_forms_and_identify_the_split(
    content: dict, tmp_path: Path, names
) -> None:
    before = prepared(content, tmp_path) and registry.load("urfunny", tmp_path / "prepared")
    content["valid"]["id"] = names
    prepared(content, tmp_path)
    after = registry.load("urfunny", tmp_path / "prepared")
    assert len(np.load(tmp_path / "prepared" / "names_val.npy")) == 6
    assert before.split_fingerprint != after.split_fingerprint


def test_half_and_double_precision_are_read(content: dict, tmp_path: Path) -> None:
    content["train"]["audio"] = content["train"]["audio"].astype(np.float16)
    content["train"]["text"] = np.asfortranarray(content["train"]["text"].astype(">f8"))
    prepared(content, tmp_path)
    inputs, _ = samples(tmp_path)
    assert np.array_equal(inputs["text"][4], content["train"]["text"][4].astype(np.float32))
    assert np.array_equal(inputs["audio"][4], content["train"]["audio"][4].astype(np.float32))


def test_the_published_protocol_reports_on_the_validation_part(
    content: dict, tmp_path: Path
) -> None:
    prepared(content, tmp_path)
    official, published = (
        registry.load("urfunny", tmp_path / "prepared", {"protocol": name})
        for name in ("validation", "published")
    )
    assert [len(official.train), len(official.val), len(official.test)] == [12, 6, 7]
    assert [len(published.train), len(published.val), len(published.test)] == [12, 6, 6]
    assert official.split_fingerprint != published.split_fingerprint
    assert official.fingerprint != published.fingerprint


def test_normalised_features_have_mean_0_and_deviation_1_in_training_and_padding_stays_0(
    content: dict, tmp_path: Path
) -> None:
    for name in content:
        content[name]["audio"][..., 3] = 7.5 * content[name]["audio"].any(2)
    content["valid"]["vision"] *= 1000
    prepared(content, tmp_path)
    inputs, _ = samples(tmp_path, normalise="zscore")
    is_word = torch.arange(WORDS) <= torch.arange(12)[:, None] % WORDS
    for modality, x in inputs.items():
        words = x[is_word]
        assert words.mean(0).abs().max() < 1e-5
        constant = torch.zeros(x.shape[2], dtype=torch.bool)
        constant[3] = modality == "audio"
        torch.testing.assert_close(words.std(0, correction=0), (~constant).float())
        assert not x[~is_word].any()
    assert samples(tmp_path, "val", normalise="zscore")[0]["visual"].abs().max() > 100


def test_batches_may_be_padded_to_their_own_longest_item(content: dict, tmp_path: Path) -> None:
    prepared(content, tmp_path)
    loaded = registry.load("urfunny", tmp_path / "prepared", {"padding": "batch"})
    rows = torch.tensor([1, 2, 0])
    inputs, _ = loaded.train.batch(rows)
    fixed, _ = registry.load("urfunny", tmp_path / "prepared").train.batch(rows)
    for modality, x in inputs.items():
        assert x.shape[:2] == (3, 3)
        assert torch.equal(x, fixed[modality][:, :3])


def test_statistics_are_those_of_the_whole_array() -> None:
    rows = np.random.RandomState(0).standard_normal((700, 3)).astype(np.float32) * 100
    expected = np.stack([rows.astype("f8").mean(0), rows.astype("f8").std(0)])
    np.testing.assert_allclose(mean_and_deviation(rows), expected, rtol=1e-5)


def test_first_words_of_many_items() -> None:
    text = np.zeros((600, 3, 2), np.float32)
    text[np.arange(0, 600, 2), 1, 1] = -1
    assert first_words(text).tolist() == [1, 3] * 300


def drop(*path: str):
    def damage(content: dict) -> None:
        target = content
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return damage


def put(name: str, key: str, change):
    def damage(content: dict) -> None:
        content[name][key] = change(content[name][key])

    return damage


def spoil(name: str, key: str, value: float):
    def damage(content: dict) -> None:
        content[name][key] = content[name][key].astype("f8")
        content[name][key][4, 3, 2] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (drop("valid"), r"humor\.pkl has no valid; it has train, test"),
        (drop("test", "id"), r"humor\.pkl, test has no id; it has audio, vision, text, labels"),
        (put("train", "vision", lambda x: x[..., :35]), r"train, vision is float32 \(12, 5, 35\)"),
        (put("train", "text", lambda x: x[:, 0]), r"need floating point \(N, L, 300\)"),
        (put("train", "text", lambda x: x.astype(int)), r"text is int64 \(12, 5, 300\)"),
        (put("train", "audio", list), "train, audio is a list; need a numpy array"),
        (put("train", "audio", lambda x: x[:-1]), r"\(N, L\) differ: .*'audio': \(11, 5\)"),
        (put("train", "text", lambda x: x[:, 1:]), r"\(N, L\) differ: .*'text': \(12, 4\)"),
        (put("train", "labels", lambda x: x[:-1]), r"labels are int64 \(11,\); need one"),
        (put("train", "labels", lambda x: x.astype(str)), "labels are <U21"),
        (put("valid", "labels", lambda x: x + 1), "valid, labels hold 2; known are -1, 0 and 1"),
        (put("valid", "labels", lambda x: x * np.nan), "labels hold nan"),
        (put("train", "id", lambda x: x[:-1]), r"id is int64 \(11,\); need one for each of 12"),
        (put("train", "id", lambda x: [{}] * 12), "train, id is a list"),
        (put("test", "text", np.zeros_like), "test: not one of 7 items has text"),
        (lambda c: c.update(test=part(0, 0)), "test is empty: 0 items of 5 words"),
        (lambda c: c.update(test=[1]), "test is a list; need a dict with audio, vision, text"),
        (spoil("train", "vision", np.nan), "train, visual: NaN or infinite .* 1 words.* '104'"),
        (spoil("train", "text", np.inf), "train, text: NaN or infinite"),
        (spoil("train", "vision", -np.inf), "train, visual: NaN or infinite"),
        (spoil("test", "audio", np.inf), "test, audio: NaN or infinite"),
        (spoil("test", "audio", 1e300), "test, audio: NaN or infinite"),
    ],
)
def test_each_mistake_is_named_in_one_line(content: dict, tmp_path: Path, damage, text) -> None:
    damage(content)
    with pytest.raises(DataError, match=text) as caught:
        prepared(content, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "prepared").exists()


def test_other_files_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"x": torch.ones(2)}, stream, _use_new_zipfile_serialization=False)
    for raw in (b"", b"<html>", b"\x80\x04", stream.getvalue(), pickle.dumps([1])):
        (tmp_path / "humor.pkl").write_bytes(raw)
        with pytest.raises(DataError, match=r"humor\.pkl is "):
            registry.prepare("urfunny", [tmp_path], tmp_path / "prepared")


def test_a_hostile_file_is_never_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(DataError, match=r"humor\.pkl is refused: it names 'posix\.mkdir'"):
        prepared({"train": Hostile()}, tmp_path)
    assert not (tmp_path / "made").exists()


def test_missing_data_says_where_it_is_and_what_to_type(tmp_path: Path) -> None:
    for raw in ([], [tmp_path]):
        with pytest.raises(DataError, match=r"drive\.google.*prepare urfunny --raw FILE"):
            registry.prepare("urfunny", raw, tmp_path / "prepared")
    with pytest.raises(DataError, match=r"there is no .*none; --raw needs an existing"):
        registry.prepare("urfunny", [tmp_path / "none"], tmp_path / "prepared")
    with pytest.raises(DataError, match=r"--raw FILE, with the humor\.pkl of MultiBench"):
        registry.load("urfunny", tmp_path / "prepared")


def test_the_same_file_is_prepared_once_and_another_one_again(
    content: dict, tmp_path: Path
) -> None:
    assert prepared(content, tmp_path).fresh
    assert not prepared(content, tmp_path).fresh
    assert not registry.prepare("urfunny", [], tmp_path / "prepared").fresh
    assert prepared(content, tmp_path, force=True).fresh
    content["train"]["text"][0, -1, 0] += 1
    first = read_manifest(tmp_path / "prepared")
    assert prepared(content, tmp_path).fresh
    second = read_manifest(tmp_path / "prepared")
    assert first.fingerprint != second.fingerprint
    changed = {name for name in first.arrays if first.arrays[name] != second.arrays[name]}
    assert changed == {"text_train", "statistics_text"}


def test_a_full_disk_leaves_the_old_data(
    content: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(content, tmp_path)
    old = read_manifest(tmp_path / "prepared")
    content["train"]["text"][0, -1, 0] += 1

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*No space left on device"):
        prepared(content, tmp_path)
    assert read_manifest(tmp_path / "prepared") == old


def test_the_stand_in_has_the_known_blemishes(made: Path) -> None:
    for facts in read_manifest(made).facts["parts"].values():
        assert (facts["dropped"], facts["replaced"]) == (2, 4)


def ridge_accuracy(data: Dataset, modalities: tuple[str, ...]) -> float:
    """Test accuracy of least squares on the mean word of each modality."""
    means = []
    for split in (data.train, data.test):
        inputs, _ = split.batch(torch.arange(len(split)))
        counts = inputs["text"].any(2).sum(1, keepdim=True)
        means.append(torch.cat([inputs[m].sum(1) / counts for m in modalities], 1))
    train, test = (x - means[0].mean(0) for x in means)
    penalty = 10 * torch.eye(train.shape[1])
    weights = torch.linalg.solve(train.T @ train + penalty, train.T @ (2.0 * data.train.labels - 1))
    return float(((test @ weights > 0) == data.test.labels.bool()).float().mean())


def test_text_dominates_the_stand_in_and_all_together_are_better(made: Path) -> None:
    data = registry.load("urfunny", made)
    alone = {m: ridge_accuracy(data, (m,)) for m in data.spec.modalities}
    assert min(alone.values()) > 0.6 and max(alone.values()) == alone["text"] < 0.85
    assert ridge_accuracy(data, data.spec.modalities) > alone["text"] + 0.05


def test_a_changed_generator_needs_a_new_version(made: Path) -> None:
    assert UrFunny.stand_in_version == "1"
    text = np.load(made / "text_train.npy")
    assert np.abs(text).mean() == pytest.approx(1.51518, abs=1e-4)
