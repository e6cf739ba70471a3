"""The local executor: one failure does not stop the others."""

from __future__ import annotations

import pytest

from baselines.sam import SAM
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.stop import Stop
from benchmarks.records.files import Unwritable
from benchmarks.records.status import pending, state


@pytest.fixture
def executor(context):
    return LocalExecutor(context, Stop(), alone=True)


def test_a_method_that_raises_is_recorded_and_the_others_go_on(
    executor, experiment, folders, monkeypatch, planned
):
    def broken(self, inputs, labels):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(SAM, "step", broken)
    plan = [experiment(method="sam"), experiment(method="joint_train")]
    failed, done = executor.execute(planned(plan))
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: out of luck")
    assert "out of luck" in folders.failure(failed.run_id).read_text()
    assert done.status == "done"
    assert pending(plan, folders) == [plan[0]], "a failed run is tried again, a done one is not"


def test_an_unsupported_combination_is_recorded_with_the_methods_own_reason(
    executor, experiment, folders, monkeypatch, planned
):
    asked = []

    def unsupported(cls, modalities, fusion, **params):
        asked.append((modalities, fusion, params))
        return "no way"

    monkeypatch.setattr(SAM, "unsupported", classmethod(unsupported))
    what = experiment(method="sam", modalities=("audio",), params={"rho": 0.1})
    assert executor.execute(planned([what]))[0].reason == "no way"
    assert asked == [(("audio",), "late", {"rho": 0.1})]
    assert pending([what], folders) == [], "nothing would change if it were tried again"


def test_a_run_too_short_for_its_method_is_recorded_with_the_reason(
    executor, experiment, folders, planned
):
    what = experiment(method="mses", epochs=2, params={"patience": 10})
    (record,) = executor.execute(planned([what]))
    assert record.status == "unsupported" and "patience 10" in record.reason
    assert pending([what], folders) == []


def test_a_plan_made_on_other_data_is_refused(executor, experiment, planned):
    stale = experiment(data={"pairing": "aligned", "stand_in": True, "fingerprint": "old"})
    with pytest.raises(ValueError, match="planned on data old"):
        executor.execute(planned([stale]))


def test_all_mistakes_are_listed_before_anything_runs(executor, experiment, folders, planned):
    plan = [
        experiment(),
        experiment(method="msam", params={"rho": -1}),
        experiment(encoder="resnet"),
    ]
    with pytest.raises(ValueError, match=r"(?s)rho.*at least 0.*no encoder 'resnet'"):
        executor.execute(planned(plan))
    assert not folders.root.exists()


def test_states_follow_the_files(executor, experiment, folders, planned):
    what = experiment(epochs=1)
    assert state(what, folders) == "missing"
    folders.checkpoint(what.run_id).parent.mkdir(parents=True)
    folders.checkpoint(what.run_id).touch()
    assert state(what, folders) == "interrupted"
    folders.checkpoint(what.run_id).unlink()
    executor.execute(planned([what]))
    assert state(what, folders) == "done"
    assert pending([what, what], folders) == []


def test_a_full_disk_ends_the_sweep(executor, experiment, monkeypatch, planned):
    def full(path, state):
        raise Unwritable("No space left on device")

    monkeypatch.setattr("benchmarks.training.run.keep_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        executor.execute(planned([experiment(epochs=1)]))
