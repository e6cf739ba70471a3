"""Small runs, what executes them, and the lines they say."""

import pytest

from benchmarks.executors.local import LocalExecutor
from benchmarks.training.execution import Reporter
from tests.faults.tiny_sweep import tiny_session


@pytest.fixture
def lines():
    return []


@pytest.fixture
def executor(folders, cpu, lines):
    return LocalExecutor(folders, cpu, Reporter(lines.append, lambda batches, title: batches))


@pytest.fixture
def session(folders, lines):
    return tiny_session(folders, lines.append)


@pytest.fixture
def tiny(experiment):
    def make(**changes):
        return experiment(**{"train_samples": 64, "epochs": 1, **changes})

    return make
