"""Settings of the whole suite: fixed random numbers, no example database, no time limits."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

# Tiny models gain nothing from threads, and spinning ones stall a busy machine. The variable is
# for the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Hides every GPU, so that tests of the command line train on the CPU everywhere.

    `pytest -m gpu` hides none, and makes cuBLAS deterministic before its first product.
    """
    if config.option.markexpr == "gpu":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and pytest -m gpu, which does not hide it")


@pytest.fixture(autouse=True)
def _fixed_seed() -> Iterator[None]:
    """Every test starts from the same random state and leaves the caller's untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
