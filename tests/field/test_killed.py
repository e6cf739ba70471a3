"""A preparation that is ended or killed leaves nothing that stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datasets.errors import DataError
from datasets.store import atomic
from datasets.store.atomic import check_target, remove_leftovers, replaced_folder
from tests.datasets.ave.files import prepare, write_raw

ROOT = Path(__file__).parents[2]
CODE = """
import sys, time
from pathlib import Path
from benchmarks.host import Ended, ending_cleanly
from datasets.store.atomic import replaced_folder

try:
    with ending_cleanly(), replaced_folder(Path(sys.argv[1])) as partial:
        (partial / "a.npy").write_bytes(bytes(1000))
        print("ready", flush=True)
        time.sleep(60)
except Ended as error:
    sys.exit(f"ended by {error}")
"""


@contextmanager
def preparing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a preparation."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", CODE, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_preparation_that_is_told_to_end_leaves_nothing(tmp_path: Path, number: int) -> None:
    with preparing(tmp_path / "ave") as process:
        process.send_signal(number)
        process.send_signal(number)  # `timeout` sends two
        process.wait(30)
    assert process.returncode != 0 and not list(tmp_path.iterdir())


def test_what_a_killed_preparation_left_is_removed_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ave"
    folder.parent.mkdir()
    for _ in range(2):
        with preparing(folder) as process:
            process.kill()
            process.wait(30)
    assert len(list(folder.parent.iterdir())) == 2
    said = []
    prepare(
        write_raw(tmp_path / "raw"), folder, progress=lambda stage, done, total: said.append(stage)
    )
    assert [path.name for path in folder.parent.iterdir()] == ["ave"]
    removed = [line for line in said if "a killed preparation left" in line]
    assert len(set(removed)) == 2 and str(folder.parent) in removed[0]


def test_what_a_living_preparation_writes_is_left_alone(tmp_path: Path) -> None:
    with preparing(tmp_path / "ave"):
        time.sleep(1.1)
        (line,) = remove_leftovers(tmp_path / "ave")
        assert "another process may be writing" in line
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("age_s", "goes"), [(0, False), (90_000, True)])
def test_what_another_machine_writes_is_left_for_a_day(
    tmp_path: Path, age_s: int, goes: bool
) -> None:
    left = tmp_path / ".ave.abcdefgh"
    left.mkdir()
    owner = left / ".owner"
    owner.write_text("another machine")
    os.utime(owner, (time.time() - age_s, time.time() - age_s))
    assert remove_leftovers(tmp_path / "ave")
    assert left.exists() is not goes


def test_data_that_a_killed_exchange_moved_away_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".ave.abcdefgh.old").mkdir()
    (tmp_path / ".ave.abcdefgh.old" / "manifest.json").write_text("old")
    remove_leftovers(tmp_path / "ave")
    assert (tmp_path / "ave" / "manifest.json").read_text() == "old"


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    names = [".cremad.work", ".avmnist.abcdefgh", "ave.abcdefgh", ".avenue"]
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    assert not remove_leftovers(tmp_path / "ave") and not remove_leftovers(tmp_path / "cremad")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("at", ["mine.txt", "subfolder"])
def test_the_target_is_checked_before_the_work(tmp_path: Path, at: str) -> None:
    raw, folder = write_raw(tmp_path / "raw"), tmp_path / "data" / "ave"
    (folder / at).mkdir(parents=True)
    stages = []
    with pytest.raises(DataError, match=f"holds other files \\({at}"):
        prepare(raw, folder, progress=lambda stage, done, total: stages.append(stage))
    assert not stages


def test_a_target_without_permission_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    for folder in (tmp_path, tmp_path / "a" / "b"):
        with pytest.raises(DataError, match=r"cannot write .*: Permission denied; choose another"):
            check_target(folder)


def test_a_lock_that_the_disk_refuses_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with replaced_folder(tmp_path / "x") as partial:
        (partial / "a.npy").write_bytes(b"x")
        assert "another process" in remove_leftovers(tmp_path / "x")[0]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a.npy"]
    shutil.rmtree(tmp_path / "x")
    assert atomic.remove_leftovers(tmp_path / "x") == []
