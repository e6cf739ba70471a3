"""A failed run's record holds the time that went into it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from baselines.joint_train import JointTrain
from benchmarks.executors import attempt
from benchmarks.records.record import RunRecord
from benchmarks.training.checkpoint import saved_seconds
from benchmarks.training.run import run
from tests.benchmarks.faults.shared import out_of_memory
from tests.benchmarks.training.test_run import Interrupted, interrupt_after


def broken(self, inputs, labels):
    raise ValueError("no such thing")


@pytest.fixture
def fails_after(executor, folders, monkeypatch, planned):
    """The record on disk of a run that fails so many seconds after it began."""

    def fail(what, seconds, step=broken):
        times = iter([1000.0, 1000.0 + seconds])
        with monkeypatch.context() as patch:
            patch.setattr(attempt, "time", SimpleNamespace(perf_counter=lambda: next(times)))
            patch.setattr(JointTrain, "step", step)
            assert [record.status for record in executor.execute(planned([what]))] == ["failed"]
        return RunRecord.load(folders.record(what.run_id))

    return fail


@pytest.mark.parametrize("step", [broken, out_of_memory])
def test_a_failed_run_took_the_seconds_until_it_failed(step, tiny, fails_after):
    assert fails_after(tiny(), 7.5, step).timing == {"seconds": 7.5}


def test_they_include_those_of_the_checkpoint_it_went_on_from(
    tiny, fails_after, dataset, folders, context
):
    what = tiny(epochs=3)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    saved = saved_seconds(folders.checkpoint(what.run_id))
    assert saved > 0
    assert fails_after(what, 7.5).timing == {"seconds": pytest.approx(saved + 7.5)}


def test_an_unreadable_checkpoint_leaves_the_time_unknown(tiny, fails_after, folders):
    what = tiny()
    path = folders.checkpoint(what.run_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"short")
    assert fails_after(what, 7.5).timing == {}


def test_the_time_of_a_run_that_killed_its_processes_is_unknown(context, tiny):
    assert (
        attempt.Attempt(context, alone=True).without_result(tiny(), "failed", "killed").timing == {}
    )
