"""The null device, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nullcuda import device


@pytest.fixture(scope="session")
def null_cuda(tmp_path_factory) -> Path:
    """The folder with the device's libraries; skips the test where they cannot be built."""
    if reason := device.obstacle():
        pytest.skip(reason)
    return device.build(tmp_path_factory.mktemp("nullcuda"))
