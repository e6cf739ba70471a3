"""Joining results folders: nothing is copied twice, mixed, or taken over damaged."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.plan.experiment import Experiment
from benchmarks.records import files
from benchmarks.records.folders import Folders
from benchmarks.records.merging import plan_merge
from benchmarks.records.record import RunRecord

ROOT = Path(__file__).parents[3]
BASE = Experiment("avmnist", "late", "msam", 0, 2, 64, "small_cnn", data={"stand_in": True})


def make(seed=0, percent=50, **changes):
    """A record of one epoch."""
    experiment = replace(BASE, seed=seed)
    entry = {"epoch": 1, "val": {"acc_mm": 0.5}, "test": {"acc_mm": percent / 100}}
    fields = {"status": "done", "history": (entry,), "data": {"stand_in": True}, **changes}
    return RunRecord(experiment.run_id, experiment, **fields)


def put(folders, record, predictions=b"right", weights=None):
    """Writes a record with predictions and weights, as the harness would; returns it."""
    if predictions is not None:
        path = folders.predictions(record.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(predictions)
        record = replace(record, predictions_sha256=hashlib.sha256(predictions).hexdigest())
    if weights is not None:
        path = folders.weights(record.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(weights).digest() + weights)
    record.save(folders.record(record.run_id))
    return record


@pytest.fixture
def here(tmp_path):
    return Folders(tmp_path / "here")


@pytest.fixture
def there(tmp_path):
    return Folders(tmp_path / "there")


@pytest.fixture
def third(tmp_path):
    return Folders(tmp_path / "third")


@pytest.fixture
def call(here, capsys):
    """Calls the verb; gives exit status and all that was printed."""

    def merge(*words):
        status = main(["merge", *map(str, words), "--out", str(here.root)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return merge


def content(folders):
    """Every file below the folder, by its relative path."""
    root = folders.root
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_runs_of_several_machines_are_joined_with_what_belongs_to_them(call, here, there, third):
    records = [put(here, make(0)), put(there, make(1), weights=b"w"), put(third, make(2))]
    for folder in ("checkpoints", "leases", "tables"):
        (there.root / folder).mkdir()
        (there.root / folder / "x").write_bytes(b"not results")
    status, said = call(there.root, third.root)
    assert (status, said.count("left out:")) == (0, 0)
    assert "2 runs added, 0 replaced, 1 there before" in said
    assert "files copied: 2 of predictions, 1 of weights" in said
    for source, record in zip((here, there, third), records, strict=True):
        assert RunRecord.load(here.record(record.run_id)) == record
        for name in ("record", "predictions"):
            path, copy = (getattr(f, name)(record.run_id) for f in (source, here))
            assert path.read_bytes() == copy.read_bytes()
    assert here.weights(records[1].run_id).read_bytes().endswith(b"w")
    assert {Path(p).parts[0] for p in content(here)} == {"runs", "predictions", "weights"}


def test_merging_again_changes_nothing(call, here, there):
    put(there, make(1), weights=b"w")
    call(there.root)
    before = content(here)
    status, said = call(there.root)
    assert status == 0 and "0 runs added, 0 replaced, 1 there before; files copied: 0" in said
    assert content(here) == before


def test_the_same_result_from_another_machine_is_kept_once(call, here, there):
    mine = put(here, make(environment={"device": "a"}, timing={"seconds": 1.0}))
    put(there, make(environment={"device": "b"}, timing={"seconds": 2.0}, code={"method": "x"}))
    assert call(there.root)[0] == 0
    assert RunRecord.load(here.record(mine.run_id)) == mine


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (make(percent=51), "epoch 1 test acc_mm 0.5 against 0.51"),
        (make(history=(*make().history, {**make().history[0], "epoch": 2})), "1 epochs against 2"),
        (make(status="diverged"), "done against diverged"),
        (make(parameters=3), "the data or the size of the model"),
    ],
)
def test_different_numbers_of_a_run_stop_everything(call, here, there, other, named):
    put(here, make())
    put(there, other)
    put(there, make(7))
    before = content(here)
    status, said = call(there.root)
    assert status == 2
    assert f"{BASE.run_id}: {named}" in said and "nothing was copied" in said
    assert content(here) == before


def test_conflicts_between_two_others_count_too(call, here, there, third):
    put(there, make())
    put(third, make(percent=60))
    assert call(there.root, third.root)[0] == 2
    assert content(here) == {}


@pytest.mark.parametrize(("keep", "percent"), [("ours", 50), ("theirs", 60)])
def test_a_conflict_is_settled_as_asked_and_nothing_is_lost(call, here, there, keep, percent):
    old = put(here, make(), predictions=b"old", weights=b"old")
    measured = here.root / "sharpness" / f"{old.run_id}-abc.json"
    measured.parent.mkdir()
    measured.write_bytes(b"of the old weights")
    put(there, make(percent=60), predictions=b"new")
    before = content(here)
    assert call(there.root, "--keep", keep)[0] == 0
    after = content(here)
    found = RunRecord.load(here.record(old.run_id))
    assert found.history[0]["test"]["acc_mm"] == percent / 100
    digest = hashlib.sha256(here.predictions(old.run_id).read_bytes()).hexdigest()
    assert digest == found.predictions_sha256
    if keep == "ours":
        assert after == before
    else:
        assert {f"replaced/{k}": v for k, v in before.items()}.items() <= after.items()
        assert not here.weights(old.run_id).exists() and not measured.exists()


@pytest.mark.parametrize(("keep", "percent"), [("ours", 60), ("theirs", 80)])
def test_of_three_results_the_first_or_the_last_is_kept(
    call, here, there, third, tmp_path, keep, percent
):
    fourth = Folders(tmp_path / "fourth")
    for folders, value in ((there, 60), (third, 70), (fourth, 80)):
        put(folders, make(percent=value))
    assert call(there.root, third.root, fourth.root, "--keep", keep)[0] == 0
    found = RunRecord.load(here.record(BASE.run_id))
    assert found.history[0]["test"]["acc_mm"] == percent / 100


def test_a_failed_run_gives_way_to_one_that_ended(call, here, there):
    put(here, make(0, status="failed", reason="out of memory", history=()), None)
    put(here, make(1))
    put(there, make(0))
    put(there, make(1, status="failed", reason="killed", history=()), None)
    assert "0 runs added, 1 replaced, 1 there before" in call(there.root)[1]
    found = [RunRecord.load(here.record(replace(BASE, seed=s).run_id)).status for s in (0, 1)]
    assert found == ["done", "done"]


def test_why_a_run_failed_comes_with_it(call, here, there):
    failed = put(there, make(status="failed", reason="boom", history=()), None)
    there.failure(failed.run_id).parent.mkdir()
    there.failure(failed.run_id).write_text("the traceback")
    call(there.root)
    assert here.failure(failed.run_id).read_text() == "the traceback"


def test_damaged_files_are_named_and_left_out(call, here, there):
    cut, other, wrong = (put(there, make(seed), weights=b"w") for seed in (1, 2, 3))
    path = there.record(cut.run_id)
    path.write_bytes(path.read_bytes()[:-9])
    path = there.record(other.run_id)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "schema": 2}))
    there.predictions(wrong.run_id).write_bytes(b"other")
    there.weights(wrong.run_id).write_bytes(b"other")
    status, said = call(there.root)
    assert status == 1
    assert "its schema is 2; this suite reads 1" in said
    assert f"{there.predictions(wrong.run_id)} is damaged" in said
    assert f"{there.weights(wrong.run_id)} is damaged" in said
    assert cut.run_id in said and "4 files left out" in said
    assert set(content(here)) == {f"runs/{wrong.run_id}.json"}


def test_a_damaged_result_is_healed_by_an_intact_one(call, here, there):
    record, whole = put(here, make(0)), put(here, make(1))
    put(there, make(0))
    put(there, make(1))
    here.record(record.run_id).write_bytes(b"{")
    here.predictions(whole.run_id).write_bytes(b"flipped")
    assert call(there.root)[0] == 1
    assert RunRecord.load(here.record(record.run_id)) == record
    assert here.predictions(whole.run_id).read_bytes() == b"right"
    assert (here.root / "replaced" / "predictions" / f"{whole.run_id}.npz").exists()


def test_lost_predictions_come_back_only_if_they_fit_the_record(call, here, there, third):
    record = put(here, make())
    here.predictions(record.run_id).unlink()
    put(there, make(), predictions=b"packed otherwise")
    assert "copied: 0 of" in call(there.root)[1]
    put(third, make())
    assert "copied: 1 of" in call(there.root, third.root)[1]
    assert here.predictions(record.run_id).read_bytes() == b"right"


def test_a_dry_run_only_tells(call, here, there):
    put(there, make())
    status, said = call(there.root, "--dry-run")
    assert status == 0 and "1 run would be added" in said
    assert not here.root.exists()


def test_a_merge_broken_off_is_repeated_and_never_leaves_a_record_alone(
    call, here, there, monkeypatch
):
    records = [put(there, make(seed), weights=b"w") for seed in range(3)]
    for stop in (1, 2, 4):
        count = 0

        def once(path, content, stop=stop, real=files.write_bytes):
            nonlocal count
            count += 1
            if count > stop:
                raise OSError("the disk is full")
            real(path, content)

        with monkeypatch.context() as patch:
            patch.setattr("benchmarks.records.merging.write_bytes", once)
            assert call(there.root)[0] == 2
        for record in records:
            if here.record(record.run_id).exists():
                assert here.predictions(record.run_id).exists()
                assert here.weights(record.run_id).exists()
    assert call(there.root)[0] == 0
    kept = {k: v for k, v in content(here).items() if not k.startswith("replaced")}
    assert kept == content(there)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere"], "nowhere is not a results folder"),
        (["HERE"], "is the folder to merge into"),
        ([], "DIR"),
        (["THERE", "--keep", "mine"], "'mine'"),
    ],
)
def test_wrong_folders_are_named(call, here, there, words, named):
    put(here, make())
    put(there, make())
    places = {"HERE": here.root, "THERE": there.root}
    status, said = call(*[places.get(word, word) for word in words])
    assert status == 2 and named in said


def test_a_profile_names_the_folder_to_merge_into(capsys, there, monkeypatch, tmp_path):
    put(there, make())
    monkeypatch.setattr("benchmarks.plan.workspace.ROOT", tmp_path)
    assert main(["merge", str(there.root), "--profile", "quick"]) == 0
    assert Folders(tmp_path / "results" / "local" / "quick").record(BASE.run_id).exists()
    assert main(["merge", str(there.root), "--profile", "quik"]) == 2
    assert "'quick'" in capsys.readouterr().err


def test_merging_loads_no_torch():
    heavy = "{'torch', 'numpy', 'pandas', 'scipy'} & set(sys.modules)"
    code = f"import sys, benchmarks.cli.report\nsys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


RUNS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([50, 60, 70])), max_size=3)


@given(st.lists(RUNS, min_size=1, max_size=4), st.sampled_from([None, "ours", "theirs"]))
def test_any_folders_give_one_record_a_run_or_a_conflict(tmp_path_factory, machines, keep):
    root = tmp_path_factory.mktemp("any")
    places = [Folders(root / str(number)) for number in range(len(machines))]
    results = {}
    for place, runs in zip(places, machines, strict=True):
        for seed, percent in dict(runs).items():
            put(place, make(seed, percent), predictions=str(percent).encode())
            results.setdefault(seed, []).append(percent)
    merge = plan_merge(places[0], places[1:], keep)
    contradict = {s for s, found in results.items() if len(set(found)) > 1}
    assert bool(merge.conflicts) == bool(contradict and keep is None)
    merge.carry_out()
    for seed, found in results.items():
        path = places[0].record(replace(BASE, seed=seed).run_id)
        if seed in contradict and keep is None:
            continue
        record = RunRecord.load(path)
        others = [p for p in found if p != found[0]]
        expected = others[-1] if others and keep == "theirs" else found[0]
        assert record.history[0]["test"]["acc_mm"] == expected / 100
        held = places[0].predictions(record.run_id).read_bytes()
        assert held == str(expected).encode()
