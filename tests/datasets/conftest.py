"""Prepared stand-in data, made once, and the real raw data where a machine has it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import registry
from datasets.avmnist.stand_in import write_raw

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def stand_in_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the prepared stand-in folder of a dataset, made once; no test may change it."""
    root = tmp_path_factory.mktemp("stand_in")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            registry.generate_stand_in(name, root / name)
        return root / name

    return folder


@pytest.fixture(scope="session")
def shared_stand_in(stand_in_of: Callable[[str], Path]) -> Path:
    """The stand-in folder of AV-MNIST, which no test may change."""
    return stand_in_of("avmnist")


@pytest.fixture
def stand_in(shared_stand_in: Path, tmp_path: Path) -> Path:
    """A copy of the prepared stand-in folder, free to be damaged."""
    return Path(shutil.copytree(shared_stand_in, tmp_path / "avmnist"))


@pytest.fixture(scope="session")
def shared_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated raw files in the publishers' formats that no test may change."""
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder, seed=0)
    return folder


@pytest.fixture
def raw(shared_raw: Path, tmp_path: Path) -> Path:
    """A copy of the generated raw files, free to be damaged."""
    return Path(shutil.copytree(shared_raw, tmp_path / "raw"))


@pytest.fixture(scope="session")
def real_raw() -> Path:
    """The folder with the published raw files; skips without it."""
    folder = Path(os.environ.get("MSAM_RAW_DIR") or REPOSITORY.parent / "shared" / "data")
    if not any(folder.glob("**/train-images-idx3-ubyte*")):
        pytest.skip(f"no MNIST in {folder}; set MSAM_RAW_DIR to the real raw files")
    return folder


@pytest.fixture(scope="session")
def real_prepared(real_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published data, prepared once."""
    folder = tmp_path_factory.mktemp("real") / "avmnist"
    registry.prepare("avmnist", [real_raw], folder)
    return folder
