"""Data that is damaged or replaced before or during a run."""

import os
import shutil
from dataclasses import replace

import pytest

from benchmarks.executors import planned_data
from benchmarks.executors.stop import Stop
from benchmarks.plan.workspace import with_fingerprint
from benchmarks.training.run import run
from datasets.errors import DataError
from tests.benchmarks.faults.shared import named
from tests.benchmarks.training.test_run import without_timing


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


def tracked(executor, track):
    reporter = replace(executor.context.reporter, track=track)
    return replace(executor, context=replace(executor.context, reporter=reporter))


@pytest.mark.parametrize("stopping", [False, True])
def test_a_run_fails_whose_data_is_written_into_meanwhile(
    stopping, executor, tiny, folders, own_data, lines, planned
):
    what, path = tiny(epochs=2), own_data / "labels_test.npy"
    track = in_epoch_2(lambda: damage_in_place(path))
    stop = Stop()
    stop.wanted = lambda: stopping and path.read_bytes().endswith(b"\x01" * 8)
    (record,) = replace(tracked(executor, track), stop=stop).execute(planned([what]))
    assert record.status == "failed" and f"{path} was written into" in record.reason
    assert named(lines, what.run_id, "was written into while the run read it")
    assert not folders.checkpoint(what.run_id).exists(), "it may have seen other data"
    assert not folders.predictions(what.run_id).exists()
    (again,) = executor.execute(planned([what]))
    assert again.status == "failed" and f"{path} is damaged: sha256" in again.reason


def test_data_that_gives_way_to_other_data_stays_as_it_was_for_a_run(
    executor, tiny, own_data, dataset, planned, elsewhere
):
    """Its files are still there for whoever has them open."""
    what, path = tiny(epochs=2), own_data / "labels_test.npy"
    expected = run(what, dataset, elsewhere)
    track = in_epoch_2(lambda: replace_by_another(path))
    (record,) = tracked(executor, track).execute(planned([what]))
    assert without_timing(record) == without_timing(expected)


def test_data_damaged_between_runs_is_noticed(executor, tiny, own_data, planned):
    assert executor.execute(planned([tiny()]))[0].status == "done"
    damage_in_place(own_data / "audio_train.npy")
    (failed,) = executor.execute(planned([tiny(seed=1)]))
    assert failed.status == "failed" and "audio_train.npy is damaged" in failed.reason


def test_damaged_data_of_one_dataset_stops_no_run_on_another(
    executor, tiny, own_data, planned, monkeypatch
):
    load, other = (
        planned_data.registry.load,
        tiny(seed=1, data={**tiny().data, "pairing": "scrambled"}),
    )
    other = with_fingerprint(other)

    def load_or_fail(name, folder, options):
        if options["pairing"] == "aligned":
            raise DataError("audio_train.npy is damaged")
        return load(name, folder, options)

    monkeypatch.setattr(planned_data.registry, "load", load_or_fail)
    found = executor.execute(planned([tiny(), other]))
    assert [r.status for r in found] == ["failed", "done"]
    assert found[0].reason == "DataError: audio_train.npy is damaged"
