"""What the tests on the null device share. Elsewhere they are not collected."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.nullcuda.on_device import harness

LIBRARY = os.environ.get("NULLCUDA")
collect_ignore_glob = [] if LIBRARY else ["test_*.py"]
# CUDA's numbers of errors. The assertion stays until the process ends.
OUT_OF_MEMORY, ASSERTION_IN_A_KERNEL = 2, 710


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test here, so that `pytest -m gpu` runs it and hides no device from it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@dataclass(frozen=True)
class Counts:
    """What has happened on the device since the process began; `used` are bytes."""

    launches: int
    outside: int
    syncs: int
    allocations: int
    graphs: int
    replays: int
    used: int


class NullDevice:
    """The device of this process: what it has done, and faults to inject."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)

    def counts(self) -> Counts:
        values = (ctypes.c_long * 7)()
        self._library.nullcuda_counts(values)
        return Counts(*values)

    def break_down(self) -> None:
        """From now on every call fails, as after an assertion in a kernel."""
        self._library.nullcuda_break(ASSERTION_IN_A_KERNEL)

    def fill_up(self) -> None:
        """From now on every call fails for lack of memory."""
        self._library.nullcuda_break(OUT_OF_MEMORY)

    def repair(self) -> None:
        self._library.nullcuda_break(0)


@pytest.fixture
def null_device() -> Iterator[NullDevice]:
    device = NullDevice()
    yield device
    device.repair()


@pytest.fixture
def cuda() -> torch.device:
    return torch.device("cuda")


@pytest.fixture(autouse=True)
def _fresh_device() -> Iterator[None]:
    """A test that failed in a capture or under a guard leaves nothing of that to the next one."""
    yield
    gc.collect()  # an optimiser and its scheduler refer to each other, and to memory of the device
    torch.cuda.set_sync_debug_mode("default")
    if torch.cuda.current_stream() != torch.cuda.default_stream():
        torch.cuda.set_stream(torch.cuda.default_stream())
        with torch.cuda.graph(torch.cuda.CUDAGraph()):  # ends what the generators still record
            pass


@pytest.fixture(scope="session", autouse=True)
def _quick_collections() -> None:
    """Leaves what is there now out of all later collections, which then take no time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def sweep(data_folder, tmp_path, monkeypatch) -> harness.Sweep:
    """Runs of the harness in an empty results folder."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(data_folder))
    return harness.Sweep(tmp_path / "results")
