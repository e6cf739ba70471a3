"""Damaged results are set aside with a line, and the run is done again."""

import json
import shutil
from dataclasses import replace

import pytest

from benchmarks.__main__ import main
from benchmarks.records import status
from benchmarks.records.status import statuses
from benchmarks.training.context import RunSettings
from tests.benchmarks.faults.shared import named
from tests.benchmarks.training.test_run import half_of, one_bit_flipped, without_timing


@pytest.mark.parametrize("damage", [half_of, one_bit_flipped, lambda content: b""])
@pytest.mark.parametrize("what", ["record", "predictions"])
def test_a_damaged_result_is_set_aside_and_run_again(
    what, damage, executor, tiny, folders, session, lines, planned
):
    plan = [tiny(), tiny(seed=1)]
    first = executor.execute(planned(plan))
    path = getattr(folders, what)(plan[0].run_id)
    path.write_bytes(damage(path.read_bytes()))
    assert statuses(plan, folders)[plan[0].run_id].state == "damaged"
    status.set_damaged_aside(plan, folders, lines.append)
    assert named(lines, path.name, "done again")
    assert folders.record(f"{plan[0].run_id}.json.damaged").with_suffix("").exists()
    assert status.pending(plan, folders) == [plan[0]]
    assert without_timing(executor.execute(planned(plan[:1]))[0]) == without_timing(first[0])
    assert statuses(plan, folders)[plan[0].run_id].state == "done"


@pytest.mark.parametrize("what", ["record", "predictions"])
def test_a_result_that_cannot_be_read_is_damage_of_that_run_alone(
    what, executor, tiny, folders, lines, planned
):
    """For want of rights, or on a failing disk; here it is a folder."""
    plan = [tiny(), tiny(seed=1)]
    executor.execute(planned(plan))
    path = getattr(folders, what)(plan[0].run_id)
    path.unlink()
    path.mkdir()
    found = [statuses(plan, folders)[e.run_id] for e in plan]
    assert [each.state for each in found] == ["damaged", "done"]
    assert str(path) in found[0].detail
    status.set_damaged_aside(plan, folders, lines.append)
    assert named(lines, path.name, "done again")


@pytest.mark.parametrize("what", ["predictions", "logits", "checkpoint", "weights"])
def test_a_folder_in_the_way_of_a_file_is_set_aside(what, executor, tiny, folders, lines, planned):
    plan = [tiny()]
    path = getattr(folders, what)(plan[0].run_id)
    (path / "inside").mkdir(parents=True)
    status.set_damaged_aside(plan, folders, lines.append)
    assert lines == [f"{path} is a folder, not a file; it is now {path.name}.damaged"]
    settings = RunSettings("cpu", keep_weights=True)
    keeping = replace(executor, context=replace(executor.context, settings=settings))
    assert [record.status for record in keeping.execute(planned(plan))] == ["done"]
    assert path.with_name(f"{path.name}.damaged").joinpath("inside").is_dir()


def test_run_trains_again_where_its_predictions_gave_way_to_a_folder(folders, capsys):
    """And where another one lies where its record is to be set aside."""
    words = ["run", "--dataset", "avmnist", "--method", "joint_train", "--profile", "demo"]
    words += ["--set", "epochs=1", "--set", "train_samples=64", "--out", str(folders.root)]
    assert main(words) == 0
    [record] = folders.root.glob("runs/*.json")
    predictions = folders.predictions(record.stem)
    predictions.unlink()
    for folder in (predictions, record.with_name(f"{record.name}.damaged")):
        (folder / "inside").mkdir(parents=True)
    assert main(words) == 0
    said = capsys.readouterr()
    assert not said.err
    assert f"the record is now {record.name}.damaged2, the run is done again" in said.out
    assert f"{predictions} is a folder, not a file" in said.out
    assert predictions.is_file()


def test_deleted_predictions_are_no_damage(executor, tiny, folders, planned):
    plan = [tiny()]
    executor.execute(planned(plan))
    shutil.rmtree(folders.root / "predictions")
    assert status.state(plan[0], folders) == "done"


def test_a_record_without_checksum_is_damaged(executor, tiny, folders, planned):
    plan = [tiny()]
    executor.execute(planned(plan))
    path = folders.record(plan[0].run_id)
    values = json.loads(path.read_text())
    for key in ("sha256", "code", "predictions_sha256"):
        del values[key]
    path.write_text(json.dumps(values))
    assert status.state(plan[0], folders) == "damaged"
