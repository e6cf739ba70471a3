"""One run of the harness on every dataset, stopped and continued."""

from __future__ import annotations

import pytest

from datasets import registry
from tests.nullcuda.on_device.harness import STEPS, stop_before


@pytest.mark.parametrize("dataset", registry.LOADERS)
def test_a_run_stops_and_goes_on(dataset: str, sweep, cuda, null_device) -> None:
    experiment = sweep.experiment(dataset)
    assert sweep.execute([experiment], cuda, stop_before(STEPS + 1)) == []
    assert sweep.folders.checkpoint(experiment.run_id).exists()

    before = null_device.counts()
    [record] = sweep.execute([experiment], cuda)
    assert record.status == "done", record.reason
    assert any("resuming after epoch 1 and 2 steps" in line for line in sweep.lines)
    assert record.environment["device"] == "Null CUDA device"
    assert record.environment["capture"] == "CUDA graph"
    assert null_device.counts().replays > before.replays
