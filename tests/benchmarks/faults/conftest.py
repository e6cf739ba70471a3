"""Small runs, what executes them, and the lines they say."""

from dataclasses import replace

import pytest

from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.stop import Stop
from benchmarks.training.context import Reporter
from tests.faults.tiny_sweep import tiny_session


@pytest.fixture
def lines():
    return []


@pytest.fixture
def executor(context, lines):
    context = replace(context, reporter=Reporter(lines.append))
    return LocalExecutor(context, Stop(), alone=True)


@pytest.fixture
def session(folders, lines):
    return tiny_session(folders, lines.append)


@pytest.fixture
def tiny(experiment):
    def make(**changes):
        return experiment(**{"train_samples": 64, "epochs": 1, **changes})

    return make
