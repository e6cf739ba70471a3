"""The report reads records only."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""
