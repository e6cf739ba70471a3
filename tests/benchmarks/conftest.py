"""Stand-in data, generated once, and small experiments on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.plan.experiment import Experiment
from benchmarks.records.folders import Folders
from benchmarks.records.status import Sweep
from benchmarks.training.context import Reporter, RunContext, RunSettings
from datasets import registry
from datasets.tensors.dataset import Dataset
from msam.optim import OptimConfig

OPTIONS = {"pairing": "aligned", "components": 4}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """A data folder with the stand-in AV-MNIST in it."""
    folder = tmp_path_factory.mktemp("data")
    registry.generate_stand_in("avmnist", folder / "stand-in" / "avmnist")
    return folder


@pytest.fixture(scope="session")
def dataset(data_dir) -> Dataset:
    return registry.load("avmnist", data_dir / "stand-in" / "avmnist", OPTIONS)


@pytest.fixture(autouse=True)
def workspace(data_dir, monkeypatch) -> None:
    """Every test sees the stand-in data and no other."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(data_dir))
    monkeypatch.delenv("MSAM_RAW_DIR", raising=False)
    monkeypatch.setenv("MSAM_CHECKPOINT_SECONDS", "0")  # the epochs of tests are short


@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path / "results")


@pytest.fixture
def quiet() -> Reporter:
    return Reporter(lambda text: None)


@pytest.fixture
def context(folders, cpu, quiet) -> RunContext:
    return RunContext(folders, cpu, quiet, RunSettings())


@pytest.fixture
def elsewhere(context, tmp_path) -> RunContext:
    """The same with another folder to write into."""
    return replace(context, folders=Folders(tmp_path / "elsewhere"))


@pytest.fixture
def planned(folders):
    """A maker of sweeps: `planned([experiment()])`."""
    return lambda experiments: Sweep.planned_now(experiments, folders)


@pytest.fixture
def experiment(dataset):
    """A maker of small experiments: `experiment(method="sam", epochs=3)`."""

    def make(**changes) -> Experiment:
        fields = {
            "dataset": "avmnist",
            "fusion": "late",
            "method": "joint_train",
            "seed": 0,
            "epochs": 2,
            "batch_size": 64,
            "encoder": "small_cnn56",
            "optim": OptimConfig(lr=0.02),
            "data": {**OPTIONS, "stand_in": True, "fingerprint": dataset.fingerprint},
            "train_samples": 320,
        }
        return Experiment(**fields | changes)

    return make


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
