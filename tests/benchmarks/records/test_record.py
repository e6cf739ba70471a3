"""Records: what goes in comes out, and damage is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plan.experiment import Experiment
from benchmarks.records.record import RunRecord, load_records

GOOD = {"acc_mm": 0.5}
EXPERIMENT = Experiment(
    "avmnist", "late", "msam", 0, 2, 64, "small_cnn", params={"rho": 0.1}, data={"stand_in": True}
)
RECORD = RunRecord(
    EXPERIMENT.run_id,
    EXPERIMENT,
    "done",
    history=({"epoch": 1, "val": {"acc_mm": 0.5}, "test": {"acc_mm": 0.5}},),
    data={"stand_in": True},
)


def test_a_record_survives_its_file(tmp_path):
    path = tmp_path / f"{RECORD.run_id}.json"
    RECORD.save(path)
    assert RunRecord.load(path) == RECORD
    assert load_records(tmp_path) == ([RECORD], [])
    assert RECORD.stand_in


def test_accuracies_that_are_no_numbers_are_not_written(tmp_path):
    broken = RunRecord("x", EXPERIMENT, "done", history=({"loss": float("nan")},))
    with pytest.raises(ValueError):
        broken.save(tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema": 99}, "schema is 99"),
        ({"history": [{"epoch": 1, "train": None, "val": GOOD, "test": GOOD}]}, "finite numbers"),
        ({"timing": {"epoch_seconds": ["a"]}}, "finite numbers"),
        ({"status": "fine"}, "status"),
        ({"experiment": {"sed": 1}}, "sed"),
        ({"experiment": 3}, "readable"),
        ({"history": 3}, "history"),
        ({"history": [{"epoch": 1}]}, "val"),
        ({"history": [{"epoch": 2, "val": GOOD, "test": GOOD}]}, "epochs are not 1, 2"),
        ({"history": [{"epoch": 1, "val": {}, "test": GOOD}]}, "acc_mm"),
        ({"history": [{"epoch": 1, "val": GOOD, "test": {"acc_mm": 50.0}}]}, "fractions"),
        ({"history": [{"epoch": 1, "val": GOOD, "test": {"acc_mm": "0.5"}}]}, "fractions"),
        ({"history": [{"epoch": 1, "val": GOOD, "test": [1]}]}, "readable"),
        ({"history": []}, "no epoch"),
        ({"run_id": "../../x"}, "in a file"),
        ({"data": {"stand_in": False}}, "stand-in"),
        ({"surprise": 1}, "surprise"),
        ({"data": {"stand_in": True, "segments": 0}}, "number of segments is 0"),
        ({"data": {"stand_in": True, "sizes": {"test": "10"}}}, "test size is '10'"),
        ({"data": {"stand_in": True, "sizes": 10}}, "readable"),
    ],
)
def test_a_wrong_record_is_named_with_its_mistake(tmp_path, change, named):
    path = tmp_path / f"{RECORD.run_id}.json"
    RECORD.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=named) as caught:
        RunRecord.load(path)
    assert str(path) in str(caught.value)


def test_what_is_no_record_is_left_out_and_named(tmp_path):
    RECORD.save(tmp_path / f"{RECORD.run_id}.json")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "notes.txt").write_text("none of ours")
    records, left_out = load_records(tmp_path)
    assert records == [RECORD]
    assert [each.name for each in left_out] == ["broken", "folder"]
    assert "not a readable record" in left_out[0].reason
    assert str(tmp_path) not in left_out[0].reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_whatever_a_file_holds_there_is_a_record_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("records") / "r.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable record"):
        RunRecord.load(path)
