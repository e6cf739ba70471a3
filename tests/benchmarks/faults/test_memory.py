"""Runs for which the memory does not suffice, alone or beside others."""

from dataclasses import replace

from baselines.sam import SAM
from benchmarks.records import status
from tests.benchmarks.faults.shared import named, out_of_memory


def test_a_run_that_needs_too_much_memory_failed(executor, tiny, monkeypatch):
    monkeypatch.setattr(SAM, "step", out_of_memory)
    failed, done = executor.execute([tiny(method="sam"), tiny()])
    assert failed.reason == "out of memory: CUDA out of memory. Tried to allocate 2 GiB."
    assert done.status == "done"


def test_beside_others_it_is_left_for_later_and_then_run_alone(
    executor, tiny, folders, lines, monkeypatch
):
    plan = [tiny(method="sam"), tiny()]
    before = status.marks(plan, folders)
    with monkeypatch.context() as patch:
        patch.setattr(SAM, "step", out_of_memory)
        crowd = replace(executor, alone=False)
        assert [r.experiment.method for r in crowd.execute(plan, before)] == ["joint_train"]
    assert named(lines, plan[0].run_id, "alone")
    assert crowd.execute(plan, before) == []
    assert [r.status for r in executor.execute(plan, before)] == ["done"]
    assert list(folders.claims.iterdir()) == []
