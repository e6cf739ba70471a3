"""Runs for which the memory does not suffice, alone or beside others."""

from dataclasses import replace

from baselines.sam import SAM
from tests.benchmarks.faults.shared import named, out_of_memory


def test_a_run_that_needs_too_much_memory_failed(executor, tiny, planned, monkeypatch):
    monkeypatch.setattr(SAM, "step", out_of_memory)
    failed, done = executor.execute(planned([tiny(method="sam"), tiny()]))
    assert failed.reason == "out of memory: CUDA out of memory. Tried to allocate 2 GiB."
    assert done.status == "done"


def test_beside_others_it_is_left_for_later_and_then_run_alone(
    executor, tiny, folders, lines, planned, monkeypatch
):
    sweep = planned([tiny(method="sam"), tiny()])
    with monkeypatch.context() as patch:
        patch.setattr(SAM, "step", out_of_memory)
        crowd = replace(executor, alone=False)
        assert [r.experiment.method for r in crowd.execute(sweep)] == ["joint_train"]
    assert named(lines, sweep.experiments[0].run_id, "alone")
    assert crowd.execute(sweep) == []
    assert [r.status for r in executor.execute(sweep)] == ["done"]
    assert list(folders.leases.iterdir()) == []
