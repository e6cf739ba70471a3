"""The status of a run is read from its files without its history, and fast."""

from __future__ import annotations

import json

import pytest

from benchmarks.records.record import RunRecord, sealed
from benchmarks.records.status import statuses

METRICS = {"acc_mm": 0.5}


@pytest.fixture
def record(experiment):
    """A record of so many epochs."""

    def make(epochs, **changes):
        what = experiment()
        epoch = {"train": {"x": 1}, "val": METRICS, "test": METRICS}
        history = tuple({"epoch": n + 1, **epoch} for n in range(epochs))
        values = {"history": history, "data": {"stand_in": True, "sizes": {"test": 4}}, **changes}
        status = "done" if epochs else "unsupported"
        return RunRecord(what.run_id, what, status, "why [\n ], so", **values)

    return make


def status_of(record, folders):
    return statuses([record.experiment], folders)[record.run_id]


@pytest.mark.parametrize("epochs", [0, 1, 100])
def test_a_sealed_record_is_read_without_the_history(epochs, record, folders, monkeypatch):
    """Ten thousand records are planned with in seconds."""
    made = record(epochs)
    made.save(folders.record(made.run_id))
    monkeypatch.setattr(RunRecord, "load", None)
    found = status_of(made, folders)
    assert found.state == made.status
    assert found.detail == ("" if epochs else made.reason)


@pytest.mark.parametrize("order", ["history first", "history last"])
def test_the_history_may_stand_anywhere_in_the_file(order, record, folders, monkeypatch):
    made = record(3)
    path = folders.record(made.run_id)
    made.save(path)
    values = json.loads(path.read_text())
    del values["sha256"]
    first = {"history": values.pop("history")}
    values = first | values if order == "history first" else values | first
    path.write_bytes(sealed(values))
    monkeypatch.setattr(RunRecord, "load", None)
    assert str(status_of(made, folders)) == "done"


def test_a_record_without_a_checksum_is_damaged(record, folders):
    made = record(1)
    path = folders.record(made.run_id)
    made.save(path)
    values = json.loads(path.read_text())
    del values["sha256"]
    path.write_text(json.dumps(values))
    assert "no checksum" in status_of(made, folders).detail


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff", b'{"sha256": "0"}', b'{"schema": 1, "run_id": 3}']
)
def test_whatever_else_lies_there_is_damaged(damage, record, folders):
    made = record(1)
    path = folders.record(made.run_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    found = status_of(made, folders)
    assert found.state == "damaged" and str(path) in found.detail


def test_a_sealed_record_of_another_schema_or_run_is_damaged(record, folders):
    made = record(1, schema=99)
    path = folders.record(made.run_id)
    made.save(path)
    assert "schema is 99" in status_of(made, folders).detail
    other = record(1)
    other.save(path.with_name("other.json"))
    path.with_name("other.json").replace(path)
    assert status_of(other, folders).state == "done"
    path.write_bytes(sealed({"run_id": made.run_id, "schema": 1}))
    assert status_of(made, folders).state == "damaged"
