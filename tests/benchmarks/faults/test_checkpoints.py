"""Which checkpoint a run goes on from when one is lost, of other code, or too large just now."""

from dataclasses import replace

import pytest

from benchmarks.records import status
from benchmarks.training import run as harness
from benchmarks.training.checkpoint import previous
from benchmarks.training.context import Reporter
from benchmarks.training.run import run
from tests.benchmarks.faults.shared import named, out_of_memory
from tests.benchmarks.training.test_run import Interrupted, interrupt_after, without_timing


@pytest.mark.parametrize("loss", [lambda p: p.unlink(), lambda p: p.write_bytes(b"short")])
def test_without_the_newest_checkpoint_the_one_before_is_gone_on_from(
    loss, experiment, dataset, folders, lines, context, elsewhere
):
    what = experiment(epochs=3, train_samples=64)
    alone = run(what, dataset, elsewhere)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    loss(folders.checkpoint(what.run_id))
    assert status.state(what, folders) == "interrupted"
    again = run(what, dataset, replace(context, reporter=Reporter(lines.append)))
    assert named(lines, "resuming after epoch 1")
    assert without_timing(again) == without_timing(alone)
    assert not folders.checkpoint(what.run_id).exists()
    assert not previous(folders.checkpoint(what.run_id)).exists()


def test_a_checkpoint_of_other_code_is_not_gone_on_from(
    experiment, dataset, lines, monkeypatch, context
):
    what = experiment(epochs=3, train_samples=64)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    monkeypatch.setattr(harness, "code_of", lambda method, dataset: {"method": "new"})
    run(what, dataset, replace(context, reporter=Reporter(lines.append)))
    assert named(lines, "code changed", "starting again")
    assert named(lines, "epoch 1/3")


@pytest.mark.parametrize("alone", [True, False])
def test_a_checkpoint_outlives_a_lack_of_memory_while_it_is_read(
    alone, executor, experiment, folders, lines, dataset, monkeypatch, context, planned, elsewhere
):
    """The file is fine: the run goes on from it when there is room."""
    what = experiment(epochs=3, train_samples=64)
    expected = run(what, dataset, elsewhere)
    with pytest.raises(Interrupted):
        run(what, dataset, replace(context, reporter=interrupt_after(2)))
    content = folders.checkpoint(what.run_id).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(harness.Training, "load_state_dict", out_of_memory)
        found = replace(executor, alone=alone).execute(planned([what]))
    assert [r.reason.partition(":")[0] for r in found] == ["out of memory"] * alone
    assert folders.checkpoint(what.run_id).read_bytes() == content
    assert not list(folders.root.rglob("*.damaged"))
    (record,) = executor.execute(planned([what]))
    assert named(lines, "resuming after epoch 2")
    assert without_timing(record) == without_timing(expected)
