"""`forensics archive`: verdicts on our inference, one line per row, a figure, data to train on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from datasets import registry
from datasets.avmnist.pairing import completion_order
from tests.datasets.avmnist.published import published_arrays, write_archive

ROWS = 3000


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "avmnist"
    registry.generate_stand_in("avmnist", folder)
    return folder


@pytest.fixture
def home(rebuilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose rebuilt AV-MNIST is the stand-in."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path))
    shutil.copytree(rebuilt, tmp_path / "prepared" / "avmnist")
    return tmp_path


def answers_of(home: Path, order: np.ndarray, components: int) -> dict:
    arrays = published_arrays(home / "prepared" / "avmnist", order, components)
    path = write_archive(home / "avmnist.tar", arrays)
    assert main(["forensics", "archive", "--raw", str(path), "--out", str(home / "out")]) == 0
    return json.loads((home / "out" / "archive.json").read_text())


def test_what_we_infer_is_confirmed_where_it_is_true(home: Path, capsys) -> None:
    order = completion_order(ROWS, np.random.RandomState(7), 0.05)
    found = answers_of(home, order, 4)
    assert [v["verdict"] for v in found["verdicts"]] == 5 * ["confirmed"]
    train = found["answers"]["train"]
    assert train["in_place"] == (order[:2400] == np.arange(2400)).mean()
    assert train["rows_moved"] == np.abs(order[:2400] - np.arange(2400)).mean()
    assert (train["equal"], train["components"], train["labels_as_mnist"]) == (1.0, 4, 1.0)
    assert train["as_rebuilt"] < 1e-6
    with (home / "out" / "archive_rows.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    first = {"train": 0, "test": 2400}
    assert [first[r["part"]] + int(r["row"]) for r in rows] == [*range(ROWS)]
    assert [int(r["made_for_row"]) + first[r["part"]] for r in rows] == order.tolist()
    assert all((home / "out" / "figures" / f"archive.{e}").exists() for e in ("png", "pdf", "csv"))
    assert "confirmed" in capsys.readouterr().out
    folder = home / "prepared" / "avmnist"
    assert len(registry.load("avmnist", folder, {"source": "archive"}).test) == 600


def test_what_we_infer_is_refuted_where_it_is_false(home: Path) -> None:
    found = answers_of(home, np.arange(ROWS), 3)
    verdicts = {v["statement"]: v["verdict"] for v in found["verdicts"]}
    assert list(verdicts.values()).count("refuted") == 4
    assert verdicts["rows with the clean spectrogram of a known recording"] == "confirmed"
    assert found["answers"]["train"]["in_place"] == 1.0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["archive"], "name the archive: ./reproduce.sh forensics archive --raw avmnist.tar.gz"),
        (["--raw", "avmnist.tar.gz"], "are for forensics archive"),
        (["archive", "--raw", "nowhere"], "data prepare avmnist"),
        (["archiv"], "archive"),
    ],
)
def test_wrong_words_are_one_line(
    capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], text: str
) -> None:
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path))
    assert main(["forensics", *words]) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
