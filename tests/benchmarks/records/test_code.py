"""Stale records: what counts as other code, and what is done about it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from baselines.registry import METHODS
from benchmarks.configs.load import read_mapping
from benchmarks.records import code as stale
from benchmarks.records.code import ROOT, SAME_NUMBERS, SHARED, code_of, same_numbers
from benchmarks.records.record import RunRecord
from benchmarks.records.status import pending, statuses
from datasets.registry import LOADERS

METRICS = {"acc_mm": 0.5}


@pytest.fixture
def edited(tmp_path):
    """The digests of a method after edits of a new copy of the code: (file, old, new)."""

    def read(method, *edits):
        place = tmp_path / f"copy{len(list(tmp_path.iterdir()))}"
        only_code = shutil.ignore_patterns("__pycache__", "*.yaml", "report", "commands")
        for package in ("msam", "baselines", "datasets", "benchmarks"):
            to = place / package
            shutil.copytree(ROOT / package, to, ignore=only_code, copy_function=os.symlink)
        for name, old, new in edits:
            text = (place / name).read_text()
            assert old in text
            (place / name).unlink()  # a link to the original
            (place / name).write_text(text.replace(old, new))
        return code_of(method, "avmnist", place)

    return read


def changed(before, after):
    assert before.keys() == after.keys()
    return {part for part in before if before[part] != after[part]}


def test_comments_docstrings_and_formatting_do_not_count(edited):
    edits = [
        ("baselines/sam.py", '"""\n\n', ' Really."""\n\n'),
        ("msam/model.py", "\n\n\n", "\n\n\n# a remark\n\n\n"),
        ("datasets/tensors/sources.py", "    return ", "    return \\\n        "),
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
        ("benchmarks/training/epoch.py", "batch_size", "half_size", "msam", {"shared"}),
        ("benchmarks/models/cnn.py", "ReLU", "Tanh", "msam", {"shared"}),
        ("datasets/avmnist/load.py", "return ", "return 2 * ", "msam", {"data"}),
        ("datasets/avmnist/prepare.py", "return ", "return 2 * ", "msam", set()),
        ("benchmarks/records/record.py", "SCHEMA = 1", "SCHEMA = 2", "msam", set()),
        ("msam/parameters.py", "return ", "return not ", "msam", set()),
    ],
)
def test_what_can_change_a_number_counts_and_is_named(edited, file, old, new, method, parts):
    assert changed(code_of(method, "avmnist"), edited(method, (file, old, new))) == parts


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from baselines.gradients import flat", "baselines/gradients.py"),
        ("from baselines.gradients import flat as other", "baselines/gradients.py"),
        ("from baselines import gradients as other", "baselines/gradients.py"),
        ("import baselines.gradients", "baselines/gradients.py"),
        ("import baselines.gradients as other", "baselines/gradients.py"),
        ("import os, baselines.gradients as other", "baselines/gradients.py"),
        ("from .gradients import flat", "baselines/gradients.py"),
        ("from . import gradients", "baselines/gradients.py"),
        ("from ..msam.shapley import contributions", "msam/shapley.py"),
        ("from msam import contributions", "msam/shapley.py"),
        ("import msam.shapley as other", "msam/shapley.py"),
        ("def act():\n    from baselines.gradients import flat", "baselines/gradients.py"),
        ("def act():\n    import msam.shapley as other", "msam/shapley.py"),
        ("try:\n    pass\nfinally:\n    from . import gradients", "baselines/gradients.py"),
    ],
)
def test_every_form_of_import_counts_wherever_it_stands(edited, line, file):
    heading = "from baselines.registry import register\n"
    importing = ("baselines/mslr.py", heading, f"{heading}{line}\n")
    other = (file, "return ", "return 1.0 * ")
    assert changed(edited("mslr", importing), edited("mslr", importing, other)) == {"method"}


@pytest.mark.parametrize(
    "text",
    [
        "from baselines.sam import SAM\nregister('own')(SAM)",
        "from baselines.sam import SAM as Own\nregister('own')(Own)",
        "from .sam import SAM\nregister('own')(SAM)",
        "import baselines.sam as own\nregister('own')(own.SAM)",
        "from baselines import sam\nregister('own')(sam.SAM)",
    ],
)
def test_a_class_registered_elsewhere_is_found_in_its_file(edited, text):
    named = ("baselines/__init__.py", 'register("msam")(MSAM)', text)
    own = edited("own", named)
    assert own["method"] == code_of("sam", "avmnist")["method"]


def test_code_that_only_moves_keeps_its_digest(edited):
    """A helper goes from one file of a role to another, with its import and the order of both."""
    own = (ROOT / "baselines" / "gradients.py").read_text()
    helper = "\n\ndef helper(x):\n    return x\n"
    before = [
        ("baselines/gradients.py", own, own + helper),
        (
            "baselines/cggm.py",
            "from msam.method import",
            "from baselines.gradients import helper\nfrom msam.method import",
        ),
    ]
    after = [("baselines/cggm.py", '\n\n@register("cggm")', helper + '\n\n@register("cggm")')]
    assert edited("cggm", *before) == edited("cggm", *after)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("from torch.nn import functional as F", "from torch import special as F", {"method"}),
        ("from msam.method import Method", "from msam.model import Method", set()),
    ],
)
def test_an_import_counts_by_what_it_gives(edited, old, new, parts):
    edit = ("baselines/joint_train.py", old, new)
    assert changed(code_of("joint_train", "avmnist"), edited("joint_train", edit)) == parts


def test_a_record_of_code_that_gives_the_same_numbers_is_not_stale(recorded, folders):
    now = code_of("sam", "avmnist")
    before = {part: min(same_numbers(digest) - {digest}) for part, digest in now.items()}
    known = recorded(before, method="sam")
    swapped = recorded({**before, "shared": before["method"]}, method="sam", seed=1)
    found = statuses([known, swapped], folders)
    assert found[known.run_id].state == "done"
    assert str(found[swapped.run_id]) == "stale (shared code changed)"


def test_no_digest_stands_in_two_rows_of_same_numbers():
    rows = read_mapping(SAME_NUMBERS)
    digests = [digest for row in rows.values() for digest in row]
    assert len(set(digests)) == len(digests) > 2 * len(METHODS)


def test_every_method_and_every_loader_has_its_code_found():
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
    found = statuses(plan, folders)
    assert str(found[other.run_id]) == "stale (method code, shared code changed)"
    assert {found[e.run_id].state for e in (same, unknown)} == {"done"}
    assert pending(plan, folders) == []
    assert pending(plan, folders, rerun_stale=True) == [other]
    records = [RunRecord.load(folders.record(e.run_id)) for e in plan]
    assert "1 records are stale: method code, shared code changed" in stale.footnote(records)
    assert stale.footnote([records[0], records[2]]) == ""


def test_a_missing_run_says_if_there_is_a_record_on_other_data(recorded, experiment, folders):
    """And only then: a record with other settings or under another protocol is of another run."""
    old = recorded({}, method="sam")
    published = {**old.data, "protocol": "published"}
    recorded({}, method="sam", epochs=2, data=published)
    (folders.root / "runs" / f"{old.run_id[:-10]}0000000000.json").write_text("{")  # comes first
    new_data = {"fingerprint": "new"}
    plan = {
        "data changed": replace(old, data=old.data | new_data),
        "data changed too": replace(old, data=published | new_data),
        "epochs": replace(old, epochs=7),
        "rho": replace(old, params={"rho": 0.3}),
        "protocol": replace(old, epochs=7, data=published),
        "protocol alone": replace(old, data=old.data | new_data | {"protocol": "other"}),
        "pairing": replace(old, data=old.data | {"pairing": "scrambled", "fingerprint": "new"}),
        "both": replace(old, epochs=7, data=old.data | new_data),
        "method": experiment(method="joint_train"),
        "seed": replace(old, seed=5, data=old.data | new_data),
    }
    found = statuses(plan.values(), folders)
    said = {name: str(found[each.run_id]) for name, each in plan.items()}
    changed = "missing (data changed since an older record)"
    assert {name for name, text in said.items() if text == changed} == {
        "data changed",
        "data changed too",
    }
    assert {text for text in said.values() if text != changed} == {"missing"}
