"""The project on a CUDA device without a GPU: see README.md in this folder."""

from __future__ import annotations

import sys

import pytest

from tests.nullcuda import device

PARTS = {
    "methods": "every method, fusion and option, eager and captured, with a resume",
    "harness": "a run on every dataset, stopped and continued",
    "mistakes": "planted mistakes are caught",
    "faults": "faults of the device and its driver",
}
SECONDS = 600


@pytest.mark.parametrize("part", PARTS)
def test_on_the_null_device(part: str, null_cuda) -> None:
    file = device.HERE / "on_device" / f"test_{part}.py"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = device.run(null_cuda, [*words, "-rfEX", "-m", "gpu", str(file)], SECONDS)
    assert done.returncode == 0, f"{PARTS[part]}:\n{done.stdout[-20_000:]}"
    assert " passed" in done.stdout, done.stdout


def test_torch_sees_the_null_device(null_cuda) -> None:
    code = "import torch; print(torch.cuda.get_device_name(), torch.cuda.device_count())"
    done = device.run(null_cuda, [sys.executable, "-c", code], 60, devices=2)
    assert done.stdout.split("\n")[-2] == "Null CUDA device 2", done.stdout
