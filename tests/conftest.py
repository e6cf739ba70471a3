"""Settings of the whole suite: fixed random numbers, no example database, no time limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _fixed_seed() -> Iterator[None]:
    """Every test starts from the same random state and leaves the caller's untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
