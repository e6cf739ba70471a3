"""The published archive: which recording each row holds, and training on exactly its rows."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import registry
from datasets.avmnist.archive import Archive, read_archive, store_archive
from datasets.avmnist.loader import AvMnist
from datasets.avmnist.matching import Recordings, Rows, jobs, known_recordings, match
from datasets.avmnist.pairing import completion_order
from datasets.errors import DataError
from datasets.spec import silent
from tests.datasets.avmnist.published import Arrays, published_arrays, write_archive

ROWS, TRAIN = 3000, 2400
RANDOM = np.random.RandomState(0)
EVERY = np.arange(ROWS)
SOME = np.flatnonzero(RANDOM.rand(ROWS) > 0.4)
KEPT = EVERY.copy()
KEPT[SOME] = RANDOM.permutation(SOME)
POOL = completion_order(ROWS, np.random.RandomState(1), 0.05)
OPTIONS = {"source": "archive"}


@pytest.fixture(scope="module")
def recordings(shared_stand_in: Path) -> Recordings:
    return known_recordings(shared_stand_in, AvMnist().manifest(shared_stand_in), "")


@pytest.fixture(scope="module")
def arrays(shared_stand_in: Path) -> Arrays:
    return published_arrays(shared_stand_in, POOL)


@pytest.fixture(scope="module")
def archive(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    path = write_archive(tmp_path_factory.mktemp("archive") / "avmnist.tar.gz", arrays)
    return read_archive(path, silent)


def rows_of(stand_in: Path, order: np.ndarray) -> Rows:
    """The rows of an archive in which the aligned recordings lie in this order."""
    labels, aligned = (
        [np.load(stand_in / f"{kind}_{part}.npy").astype(np.int64) for part in ("train", "test")]
        for kind in ("labels", "aligned")
    )
    aligned[1] += len(np.load(stand_in / "audio_train.npy"))
    parts = np.repeat([0, 1], [TRAIN, ROWS - TRAIN])
    held = np.concatenate(aligned)[order]
    return Rows(np.concatenate(labels), parts, held, np.zeros(ROWS, int))


def test_every_row_is_matched_to_its_recording_and_to_the_row_it_was_made_for(
    archive: Archive, recordings: Recordings, shared_stand_in: Path
) -> None:
    rows, expected = match(archive, recordings, silent), rows_of(shared_stand_in, POOL)
    assert np.array_equal(rows.recordings, expected.recordings) and not rows.levels.any()
    assert np.array_equal(rows.labels, expected.labels)
    assert np.array_equal(jobs(rows, recordings), POOL)
    assert all(len(images.basis) == 4 for images in archive.images.values())


@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        pytest.param(EVERY, 0.0, id="in order"),
        pytest.param(completion_order(ROWS, RANDOM, 0.01), 0.0, id="pool, 1 %"),
        pytest.param(completion_order(ROWS, RANDOM, 0.1), 0.01, id="pool, 10 %"),
        pytest.param(completion_order(ROWS, RANDOM, 0.2), 0.05, id="pool, 20 %"),
        pytest.param(KEPT, 0.6, id="four of ten kept"),
    ],
)
def test_the_share_in_place_is_that_of_the_known_order(
    recordings: Recordings, shared_stand_in: Path, order: np.ndarray, wrong: float
) -> None:
    origin = jobs(rows_of(shared_stand_in, order), recordings)
    assert sorted(origin) == [*range(ROWS)]
    assert (origin == EVERY).mean() == pytest.approx((order == EVERY).mean(), abs=0.005)
    assert (origin != order).mean() <= wrong


def test_recordings_that_are_not_drawn_in_turn_leave_the_order_open(
    recordings: Recordings, shared_stand_in: Path
) -> None:
    rows = rows_of(shared_stand_in, POOL)
    rows.recordings[:2] = rows.recordings[2]
    assert jobs(rows, recordings) is None


@pytest.mark.parametrize("components", [1, 3])
def test_the_number_of_components_is_the_rank(
    shared_stand_in: Path, tmp_path: Path, components: int
) -> None:
    arrays = published_arrays(shared_stand_in, EVERY, components)
    found = read_archive(write_archive(tmp_path / "a.tar", arrays), silent)
    assert {part: len(images.basis) for part, images in found.images.items()} == {
        "train": components,
        "test": components,
    }


def test_near_pictures_are_told_from_equal_and_unknown_ones(
    arrays: Arrays, recordings: Recordings, tmp_path: Path
) -> None:
    pictures = arrays["audio/test_data.npy"].copy()
    pictures[0, 0, 0] ^= 1
    pictures[1] = np.random.RandomState(0).randint(0, 255, (112, 112))
    path = write_archive(tmp_path / "a.tar", {**arrays, "audio/test_data.npy": pictures})
    rows = match(read_archive(path, silent), recordings, silent)
    assert rows.levels[TRAIN] == 1 and rows.recordings[TRAIN] >= 0
    assert rows.recordings[TRAIN + 1] == -1 and not rows.levels[TRAIN + 2 :].any()
    assert jobs(rows, recordings) is None


def test_an_unpacked_folder_is_the_same_archive(
    archive: Archive, arrays: Arrays, tmp_path: Path
) -> None:
    for name, array in arrays.items():
        path = tmp_path / "avmnist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    assert read_archive(tmp_path, silent).sha256 == archive.sha256


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: change(arrays[name])}


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda a: {k: v for k, v in a.items() if "labels" not in k}, "lacks test_labels.npy, tr"),
        (changed("image/train_data.npy", lambda x: x[:, :700]), r"is float64 \(2400, 700\)"),
        (changed("image/test_data.npy", lambda x: x * np.nan), "holds NaN or infinite"),
        (changed("audio/test_data.npy", lambda x: x / 3), "not whole numbers from 0 to 255"),
        (changed("audio/test_data.npy", lambda x: x[:9]), "600 images, 9 spectrograms, 600 labels"),
        (changed("audio/test_data.npy", lambda x: x[:0]), "not of the published AV-MNIST"),
        (changed("train_labels.npy", lambda x: x + 1), "labels go from 1 to 10"),
        (changed("train_labels.npy", lambda x: x.astype(object)), "is object"),
        (changed("train_labels.npy", lambda x: x.astype("S1")), r"is \|S1"),
    ],
)
def test_another_archive_is_one_clear_line(
    arrays: Arrays, tmp_path: Path, damage: Callable[[Arrays], Arrays], text: str
) -> None:
    path = write_archive(tmp_path / "avmnist.tar", damage(arrays))
    with pytest.raises(DataError, match=text):
        read_archive(path, silent)


@pytest.mark.parametrize("content", [b"", b"<html>Sign in</html>", b"\x1f\x8b\x08" + bytes(20)])
def test_another_file_under_its_name_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "avmnist.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"avmnist\.tar\.gz"):
        read_archive(path, silent)
    with pytest.raises(DataError, match="there is no"):
        read_archive(tmp_path / "nowhere", silent)


def test_a_truncated_archive_is_one_clear_line(arrays: Arrays, tmp_path: Path) -> None:
    path = write_archive(tmp_path / "avmnist.tar.gz", arrays)
    content = path.read_bytes()
    for size in (1000, len(content) // 2, len(content) - 5000):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"avmnist\.tar\.gz"):
            read_archive(path, silent)


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "avmnist.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("avmnist/image/train_data.npy")
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 784), }\n"
        text = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        (tmp_path / "array").write_bytes(text)
        member.size = len(text)
        with (tmp_path / "array").open("rb") as stream:
            archive.addfile(member, stream)
    with pytest.raises(DataError, match=r"\(99999999999, 784\)"):
        read_archive(path, silent)


def test_source_archive_loads_exactly_its_rows(
    archive: Archive, arrays: Arrays, stand_in: Path
) -> None:
    with pytest.raises(DataError, match=r"type \./reproduce\.sh forensics archive --raw"):
        registry.load("avmnist", stand_in, OPTIONS)
    store_archive(archive, AvMnist().archive_folder(stand_in))
    data = registry.load("avmnist", stand_in, OPTIONS)
    assert (len(data.train), len(data.val), len(data.test)) == (2200, 200, 600)
    every = torch.arange(600)
    sound = 255 * data.test.inputs["audio"].gather(every)
    assert torch.equal(sound[:, 0].round().byte(), torch.tensor(arrays["audio/test_data.npy"]))
    images = 255 * data.test.inputs["visual"].gather(every).view(600, -1)
    expected = torch.tensor(arrays["image/test_data.npy"]).float()
    torch.testing.assert_close(images, expected, atol=1e-3, rtol=1e-4)
    assert registry.fingerprint("avmnist", stand_in, OPTIONS) == data.fingerprint
    assert data.fingerprint != registry.fingerprint("avmnist", stand_in, {})
    sizes = registry.split_sizes("avmnist", stand_in, OPTIONS)
    assert [size.samples for size in sizes.values()] == [2200, 200, 600]


def test_the_rebuilt_data_keeps_its_fingerprint_and_the_archive_its_pairing(
    archive: Archive, stand_in: Path
) -> None:
    plain = registry.fingerprint("avmnist", stand_in, {})
    assert registry.fingerprint("avmnist", stand_in, {"source": "rebuilt"}) == plain
    store_archive(archive, AvMnist().archive_folder(stand_in))
    for other in ({"pairing": "aligned"}, {"components": 3}):
        with pytest.raises(DataError, match="has its own pairing and components"):
            registry.load("avmnist", stand_in, OPTIONS | other)
    with pytest.raises(DataError, match="did you mean 'archive'"):
        registry.load("avmnist", stand_in, {"source": "archiv"})
