"""Stale records: what counts as other code, and what is done about it."""

import os
import shutil
from dataclasses import replace

import pytest

from benchmarks import stale, sweep
from benchmarks.codehash import ROOT, SHARED, code_of
from benchmarks.record import RunRecord
from benchmarks.standing import standings
from datasets.known import LOADERS

METRICS = {"acc_mm": 0.5}


@pytest.fixture
def edited(tmp_path):
    """The digests of a method after edits of a copy of the code: (file, old, new)."""

    def read(method, *edits):
        only_code = shutil.ignore_patterns("__pycache__", "*.yaml", "report", "commands")
        for package in ("msam", "baselines", "datasets", "benchmarks"):
            to = tmp_path / package
            shutil.copytree(ROOT / package, to, ignore=only_code, copy_function=os.symlink)
        for name, old, new in edits:
            text = (tmp_path / name).read_text()
            assert old in text
            (tmp_path / name).unlink()  # a link to the original
            (tmp_path / name).write_text(text.replace(old, new))
        return code_of(method, "avmnist", tmp_path)

    return read


def changed(before, after):
    assert before.keys() == after.keys()
    return {part for part in before if before[part] != after[part]}


def test_comments_docstrings_and_formatting_do_not_count(edited):
    edits = [
        ("baselines/sam.py", '"""\n\n', ' Really."""\n\n'),
        ("msam/model.py", "\n\n\n", "\n\n\n# a remark\n\n\n"),
        ("datasets/tensors.py", "    return ", "    return \\\n        "),
    ]
    assert changed(code_of("sam", "avmnist"), edited("sam", *edits)) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "method", "parts"),
    [
        ("baselines/joint_train.py", "backward()", "backward", "joint_train", {"method"}),
        ("baselines/joint_train.py", "backward()", "backward", "mslr", set()),
        ("msam/shapley.py", " / ", " * ", "msam", {"method"}),
        ("msam/shapley.py", " / ", " * ", "joint_train", set()),
        ("baselines/gradients.py", "return ", "return 1.0 * ", "cggm", {"method"}),
        ("msam/model.py", "return ", "return not ", "msam", {"shared"}),
        ("benchmarks/epoch.py", "batch_size", "half_size", "msam", {"shared"}),
        ("benchmarks/models/small.py", "ReLU", "Tanh", "msam", {"shared"}),
        ("datasets/avmnist_load.py", "return ", "return 2 * ", "msam", {"data"}),
        ("datasets/avmnist_prepare.py", "return ", "return 2 * ", "msam", set()),
        ("benchmarks/record.py", "SCHEMA = 1", "SCHEMA = 2", "msam", set()),
        ("msam/parameters.py", "return ", "return not ", "msam", set()),
    ],
)
def test_what_can_change_a_number_counts_and_is_named(edited, file, old, new, method, parts):
    assert changed(code_of(method, "avmnist"), edited(method, (file, old, new))) == parts


def test_every_method_and_every_loader_has_its_code_found():
    from baselines import METHODS

    for method in METHODS:
        for dataset in LOADERS:
            assert code_of(method, dataset).keys() == {"method", "shared", "data"}
    assert len({code_of(method, "avmnist")["method"] for method in METHODS}) == len(METHODS)
    assert all(list(ROOT.glob(pattern)) for pattern in SHARED)


@pytest.fixture
def recorded(experiment, folders):
    """A maker of done records with the digests given, on disk."""

    def make(code, **changes):
        what = experiment(**changes)
        history = ({"epoch": 1, "val": METRICS, "test": METRICS},)
        data = {"stand_in": True}
        record = RunRecord(what.run_id, what, "done", history=history, data=data, code=code)
        record.save(folders.record(what.run_id))
        return what

    return make


def test_a_stale_record_is_named_and_kept_unless_asked_otherwise(recorded, folders):
    now = code_of("sam", "avmnist")
    same = recorded(now, method="sam")
    other = recorded({**now, "method": "0", "shared": "0"}, method="sam", seed=1)
    unknown = recorded({}, method="sam", seed=2)
    plan = [same, other, unknown]
    found = standings(plan, folders)
    assert str(found[other.run_id]) == "stale (method code, shared code changed)"
    assert {found[e.run_id].state for e in (same, unknown)} == {"done"}
    assert sweep.pending(plan, folders) == []
    assert sweep.pending(plan, folders, rerun_stale=True) == [other]
    records = [RunRecord.load(folders.record(e.run_id)) for e in plan]
    assert "1 records are stale: method code, shared code changed" in stale.footnote(records)
    assert stale.footnote([records[0], records[2]]) == ""


def test_a_missing_run_says_what_changed_since_an_older_record(recorded, experiment, folders):
    old = recorded({}, method="sam")
    more_epochs = replace(old, epochs=7)
    new_data = replace(old, data={**old.data, "fingerprint": "new"})
    nothing = experiment(method="joint_train")
    found = standings([more_epochs, new_data, nothing], folders)
    assert str(found[more_epochs.run_id]) == "missing (config changed since an older record)"
    assert str(found[new_data.run_id]) == "missing (data changed since an older record)"
    assert str(found[nothing.run_id]) == "missing"
