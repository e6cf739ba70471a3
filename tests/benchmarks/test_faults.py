"""Whatever goes wrong, the run is in a recorded state, a line says so, and the rest goes on."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from baselines.sam import SAM
from benchmarks import harness, sweep
from benchmarks.checkpoint import previous
from benchmarks.claim import Owner
from benchmarks.commands.execution import execute
from benchmarks.epoch import Reporter
from benchmarks.execution import Execution
from benchmarks.executors import planned
from benchmarks.executors.local import ATTEMPTS, LocalExecutor
from benchmarks.files import remove_litter
from benchmarks.harness import run
from benchmarks.hosts import machine
from benchmarks.record import RunRecord
from benchmarks.signals import EXIT_UNFINISHED, Stop
from benchmarks.standing import standings
from benchmarks.workspace import with_fingerprint
from datasets.errors import DataError
from tests.benchmarks.test_harness import (
    Interrupted,
    half_of,
    interrupt_after,
    one_bit_flipped,
    without_timing,
)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def executor(folders, cpu, lines):
    return LocalExecutor(folders, cpu, Reporter(lines.append, lambda batches, title: batches))


@pytest.fixture
def session(folders, lines):
    return SimpleNamespace(folders=folders, say=lines.append)


@pytest.fixture
def tiny(experiment):
    def make(**changes):
        return experiment(**{"train_samples": 64, "epochs": 1, **changes})

    return make


def named(lines, *words):
    return any(all(word in line for word in words) for line in lines)


@pytest.mark.parametrize("damage", [half_of, one_bit_flipped, lambda content: b""])
@pytest.mark.parametrize("what", ["record", "predictions"])
def test_a_damaged_result_is_set_aside_and_run_again(
    what, damage, executor, tiny, folders, session, lines
):
    plan = [tiny(), tiny(seed=1)]
    first = executor.execute(plan)
    path = getattr(folders, what)(plan[0].run_id)
    path.write_bytes(damage(path.read_bytes()))
    assert standings(plan, folders)[plan[0].run_id].state == "damaged"
    sweep.set_damaged_aside(plan, folders, lines.append)
    assert named(lines, path.name, "done again")
    assert folders.record(f"{plan[0].run_id}.json.damaged").with_suffix("").exists()
    assert sweep.pending(plan, folders) == [plan[0]]
    assert without_timing(executor.execute(plan[:1])[0]) == without_timing(first[0])
    assert standings(plan, folders)[plan[0].run_id].state == "done"


@pytest.mark.parametrize("what", ["record", "predictions"])
def test_a_result_that_cannot_be_read_is_damage_of_that_run_alone(
    what, executor, tiny, folders, lines
):
    """For want of rights, or on a failing disk; here it is a folder."""
    plan = [tiny(), tiny(seed=1)]
    executor.execute(plan)
    path = getattr(folders, what)(plan[0].run_id)
    path.unlink()
    path.mkdir()
    found = [standings(plan, folders)[e.run_id] for e in plan]
    assert [each.state for each in found] == ["damaged", "done"]
    assert str(path) in found[0].detail
    sweep.set_damaged_aside(plan, folders, lines.append)
    assert named(lines, path.name, "done again")


def test_deleted_predictions_are_no_damage(executor, tiny, folders):
    plan = [tiny()]
    executor.execute(plan)
    shutil.rmtree(folders.root / "predictions")
    assert sweep.state(plan[0], folders) == "done"


def test_a_record_without_checksum_counts(executor, tiny, folders):
    plan = [tiny()]
    executor.execute(plan)
    path = folders.record(plan[0].run_id)
    values = json.loads(path.read_text())
    for key in ("sha256", "code", "predictions_sha256"):
        del values[key]
    path.write_text(json.dumps(values))
    assert sweep.state(plan[0], folders) == "done"
    path.write_text(json.dumps({**values, "status": "splendid"}))
    assert sweep.state(plan[0], folders) == "damaged"


@pytest.mark.parametrize("loss", [lambda p: p.unlink(), lambda p: p.write_bytes(b"short")])
def test_without_the_newest_checkpoint_the_one_before_is_gone_on_from(
    loss, experiment, dataset, folders, quiet, cpu, lines, tmp_path
):
    what = experiment(epochs=3, train_samples=64)
    alone = run(what, dataset, type(folders)(tmp_path / "alone"), cpu, quiet)
    with pytest.raises(Interrupted):
        run(what, dataset, folders, cpu, interrupt_after(2))
    loss(folders.checkpoint(what.run_id))
    assert sweep.state(what, folders) == "interrupted"
    again = run(what, dataset, folders, cpu, Reporter(lines.append, lambda b, title: b))
    assert named(lines, "resuming after epoch 1")
    assert without_timing(again) == without_timing(alone)
    assert not folders.checkpoint(what.run_id).exists()
    assert not previous(folders.checkpoint(what.run_id)).exists()


def test_a_checkpoint_of_other_code_is_not_gone_on_from(
    experiment, dataset, folders, cpu, lines, monkeypatch
):
    what = experiment(epochs=3, train_samples=64)
    with pytest.raises(Interrupted):
        run(what, dataset, folders, cpu, interrupt_after(2))
    monkeypatch.setattr(harness, "code_of", lambda method, dataset: {"method": "new"})
    run(what, dataset, folders, cpu, Reporter(lines.append, lambda b, title: b))
    assert named(lines, "code changed", "starting again")
    assert named(lines, "epoch 1/3")


@pytest.fixture
def own_data(dataset, data_dir, monkeypatch, tmp_path):
    """A copy of the prepared data to write into, its folder."""
    shutil.copytree(data_dir, tmp_path / "data")
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "stand-in" / "avmnist"


def damage_in_place(path):
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\x01" * 8)


def replace_by_another(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[:-8] + b"\x01" * 8)
    other.replace(path)


def in_epoch_2(act):
    """A reporter during whose second epoch something happens."""
    return lambda batches, title: (act() if title.endswith("epoch 2") else None, batches)[1]


@pytest.mark.parametrize("stopping", [False, True])
def test_a_run_fails_whose_data_is_written_into_meanwhile(
    stopping, executor, tiny, folders, own_data, lines
):
    what, path = tiny(epochs=2), own_data / "labels_test.npy"
    track = in_epoch_2(lambda: damage_in_place(path))
    stop = Stop()
    stop.wanted = lambda: stopping and path.read_bytes().endswith(b"\x01" * 8)
    reporter = replace(executor.reporter, track=track)
    (record,) = replace(executor, reporter=reporter, stop=stop).execute([what])
    assert record.status == "failed" and f"{path} was written into" in record.reason
    assert named(lines, what.run_id, "was written into while the run read it")
    assert not folders.checkpoint(what.run_id).exists(), "it may have seen other data"
    assert not folders.predictions(what.run_id).exists()
    (again,) = executor.execute([what])
    assert again.status == "failed" and f"{path} is damaged: sha256" in again.reason


def test_data_that_gives_way_to_other_data_stays_as_it_was_for_a_run(
    executor, tiny, own_data, folders, dataset, quiet, cpu, tmp_path
):
    """Its files are still there for whoever has them open."""
    what, path = tiny(epochs=2), own_data / "labels_test.npy"
    expected = run(what, dataset, type(folders)(tmp_path / "alone"), cpu, quiet)
    reporter = replace(executor.reporter, track=in_epoch_2(lambda: replace_by_another(path)))
    (record,) = replace(executor, reporter=reporter).execute([what])
    assert without_timing(record) == without_timing(expected)


def test_data_damaged_between_runs_is_noticed(executor, tiny, own_data):
    assert executor.execute([tiny()])[0].status == "done"
    damage_in_place(own_data / "audio_train.npy")
    (failed,) = executor.execute([tiny(seed=1)])
    assert failed.status == "failed" and "audio_train.npy is damaged" in failed.reason


def test_damaged_data_of_one_dataset_stops_no_run_on_another(executor, tiny, own_data, monkeypatch):
    load, other = planned.registry.load, tiny(seed=1, data={**tiny().data, "pairing": "scrambled"})
    other = with_fingerprint(other)

    def load_or_fail(name, folder, options):
        if options["pairing"] == "aligned":
            raise DataError("audio_train.npy is damaged")
        return load(name, folder, options)

    monkeypatch.setattr(planned.registry, "load", load_or_fail)
    found = executor.execute([tiny(), other])
    assert [r.status for r in found] == ["failed", "done"]
    assert found[0].reason == "DataError: audio_train.npy is damaged"


def out_of_memory(self, inputs, labels):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")


def test_a_run_that_needs_too_much_memory_failed(executor, tiny, monkeypatch):
    monkeypatch.setattr(SAM, "step", out_of_memory)
    failed, done = executor.execute([tiny(method="sam"), tiny()])
    assert failed.reason == "out of memory: CUDA out of memory. Tried to allocate 2 GiB."
    assert done.status == "done"


@pytest.mark.parametrize("alone", [True, False])
def test_a_checkpoint_outlives_a_lack_of_memory_while_it_is_read(
    alone, executor, experiment, folders, cpu, lines, dataset, quiet, monkeypatch, tmp_path
):
    """The file is fine: the run goes on from it when there is room."""
    what = experiment(epochs=3, train_samples=64)
    expected = run(what, dataset, type(folders)(tmp_path / "alone"), cpu, quiet)
    with pytest.raises(Interrupted):
        run(what, dataset, folders, cpu, interrupt_after(2))
    content = folders.checkpoint(what.run_id).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(
            harness.Training, "load_state_dict", lambda self, state: out_of_memory(0, 0, 0)
        )
        found = replace(executor, alone=alone).execute([what])
    assert [r.reason.partition(":")[0] for r in found] == ["out of memory"] * alone
    assert folders.checkpoint(what.run_id).read_bytes() == content
    assert not list(folders.root.rglob("*.damaged"))
    (record,) = executor.execute([what])
    assert named(lines, "resuming after epoch 2")
    assert without_timing(record) == without_timing(expected)


def test_beside_others_it_is_left_for_later_and_then_run_alone(
    executor, tiny, folders, lines, monkeypatch
):
    plan = [tiny(method="sam"), tiny()]
    before = sweep.marks(plan, folders)
    with monkeypatch.context() as patch:
        patch.setattr(SAM, "step", out_of_memory)
        crowd = replace(executor, alone=False)
        assert [r.experiment.method for r in crowd.execute(plan, before)] == ["joint_train"]
    assert named(lines, plan[0].run_id, "alone")
    assert crowd.execute(plan, before) == []
    assert [r.status for r in executor.execute(plan, before)] == ["done"]
    assert list(folders.claims.iterdir()) == []


@pytest.mark.parametrize(("deaths", "status"), [(ATTEMPTS - 1, "done"), (ATTEMPTS, "failed")])
def test_a_run_that_kills_its_process_again_and_again_failed(
    deaths, status, executor, tiny, folders
):
    what = tiny()
    claim(folders, what, start="", attempts=deaths)
    assert executor.execute([what])[0].status == status
    assert list(folders.claims.iterdir()) == []


def claim(folders, what, **changes):
    folders.claims.mkdir(parents=True)
    owner = replace(Owner.this_process(1, ""), **changes)
    (folders.claims / f"{what.run_id}.0.json").write_text(json.dumps(asdict(owner)))


def test_runs_of_another_sweep_are_left_to_it(session, tiny, folders, lines):
    plan = [tiny(), tiny(seed=1)]
    claim(folders, plan[0])
    assert standings(plan, folders)[plan[0].run_id].state == "running"
    assert execute(plan, session, Execution("cpu"), Stop()) == EXIT_UNFINISHED
    assert named(lines, "under way elsewhere: 1 run:", f"process {os.getpid()}")
    assert [sweep.state(e, folders) for e in plan] == ["running", "done"]


def test_a_run_that_another_sweep_ended_since_the_plan_is_not_run(executor, tiny, folders):
    """Not even if it failed there: it is tried once per command."""
    plan = [tiny()]
    before = sweep.marks(plan, folders)
    record = executor.execute(plan)[0]
    replace(record, status="failed").save(folders.record(plan[0].run_id))
    assert executor.execute(plan, before) == []
    assert len(executor.execute(plan)) == 1


def test_a_full_disk_ends_the_sweep_with_nothing_lost(
    session, tiny, folders, lines, monkeypatch, tmp_path
):
    plan, sync, calls = [tiny(epochs=3), tiny(seed=1)], os.fsync, []

    def full_disk(descriptor):
        calls.append(1)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        assert execute(plan, session, Execution("cpu"), Stop()) == EXIT_UNFINISHED
    assert named(lines, "error", "No space left on device")
    assert named(lines, "2 runs left; resume with the same command")
    assert sweep.state(plan[0], folders) == "interrupted"
    assert execute(plan, session, Execution("cpu"), Stop()) == 0
    assert named(lines, "resuming after epoch")


def test_an_oserror_of_a_method_is_a_failure_of_that_run_alone(executor, tiny, monkeypatch):
    def broken(self, inputs, labels):
        raise OSError("no such lookup table")

    monkeypatch.setattr(SAM, "step", broken)
    statuses = [r.status for r in executor.execute([tiny(method="sam"), tiny()])]
    assert statuses == ["failed", "done"]


def test_a_sweep_without_time_left_stops_and_goes_on_later(session, tiny, folders, lines):
    plan = [tiny(), tiny(seed=1)]
    status = execute(plan, session, Execution("cpu"), Stop(deadline=time.monotonic() + 1e-3))
    assert status == EXIT_UNFINISHED
    assert named(lines, "--max-hours", "2 runs left; resume with the same command")
    assert execute(plan, session, Execution("cpu"), Stop()) == 0
    assert {RunRecord.load(folders.record(e.run_id)).status for e in plan} == {"done"}


def test_files_half_written_by_killed_processes_are_removed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    runs = tmp_path / "runs"
    runs.mkdir()
    dead, own, elsewhere, old = (
        runs / f".a.json.{host}.{pid}.tmp"
        for host, pid in (
            (machine(), process.pid),
            (machine(), os.getpid()),
            ("0" * 8, 1),
            ("0" * 8, 2),
        )
    )
    for path in (dead, own, elsewhere, old, runs / ".a.tmp"):
        path.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    remove_litter(tmp_path)
    assert sorted(runs.iterdir()) == sorted([own, elsewhere, runs / ".a.tmp"])
