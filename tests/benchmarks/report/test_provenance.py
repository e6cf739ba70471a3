"""Where numbers come from, what was left out, and what the choice of the epoch was worth."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.records.folders import Folders
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.report.tables import markdown
from benchmarks.report.tables.text import warnings
from benchmarks.report.write import Report, write_report
from tests.benchmarks.report.builders import (
    PAPERS,
    READY,
    cell_of,
    entry_of,
    epoch,
    plan,
    record,
    request_of,
    runs,
    table,
)
from tests.benchmarks.synthetic import predictions, write_results

CELLS = plan(avmnist=READY)
MSAM = cell_of(CELLS, "M-SAM")


def written(records: list[RunRecord], out: Path, **words: object) -> Report:
    return write_report(request_of({"table1": CELLS}, records, **words), out)


def test_every_run_of_a_number_is_listed_with_code_data_and_machine(tmp_path: Path) -> None:
    machine = {"commit": "abc", "modified": True, "device": "H200", "torch": "2.11"}
    records = [replace(r, environment=machine) for r in runs(MSAM, 74.0, 74.2)]
    bad = record(MSAM, 2, status="diverged")
    written([*records, bad], tmp_path)
    listed = pd.read_csv(tmp_path / "runs.csv").set_index("run_id")
    named = pd.read_csv(tmp_path / "comparison.csv").query("row == 'M-SAM' and metric == 'acc_mm'")
    assert set(named["run_ids"].iloc[0].split()) == set(listed.index)
    assert set(listed.index) == {r.run_id for r in records}
    line = listed.loc[records[0].run_id]
    assert (line["commit"], line["modified"], line["device"]) == ("abc", True, "H200")
    assert (line["fingerprint"], line["seed"], line["epoch_val_best"]) == ("print-a", 0, 1)


def test_what_no_table_uses_is_listed_with_the_reason(tmp_path: Path) -> None:
    foreign = runs(cell_of(plan(profile="quick", avmnist=READY), "M-SAM"), 10.0)
    old = runs(MSAM, 20.0, fingerprint="print-old")
    broken = [LeftOut("bad", "not a readable record: it is no JSON object")]
    said = written([*runs(MSAM, 74.0), *foreign, *old], tmp_path, unreadable=broken).left_out
    listed = pd.read_csv(tmp_path / "left_out.csv").set_index("record")["reason"]
    assert set(listed.index) == {"bad", foreign[0].run_id, old[0].run_id}
    assert "no table" in listed[foreign[0].run_id]
    assert "other data" in listed[old[0].run_id]
    assert "1 left out, not a readable record: it is no JSON object: bad" in said


def test_nothing_left_out_says_nothing(tmp_path: Path) -> None:
    assert written(runs(MSAM, 74.0), tmp_path).left_out == ""
    assert (tmp_path / "left_out.csv").read_text() == "record,reason\n"


def with_policies(seed: int, val_best: float, last: float, oracle: float) -> RunRecord:
    """Epoch 1 is best on the validation data, 2 on the test data, 3 is the last."""
    tests = ((1, 0.9, val_best), (2, 0.2, oracle), (3, 0.3, last))
    history = [epoch(n, val, {"acc_mm": t, "acc_audio": t}) for n, val, t in tests]
    return record(MSAM, seed, history=history)


def test_the_gain_of_choosing_on_the_test_set_by_hand(tmp_path: Path) -> None:
    records = [with_policies(0, 0.70, 0.69, 0.72), with_policies(1, 0.71, 0.68, 0.72)]
    entry = entry_of(table(CELLS, records), "M-SAM")
    assert entry.oracle_gains == pytest.approx((2.0, 1.0))
    last = entry_of(table(CELLS, records).under("last"), "M-SAM")
    assert last.values == pytest.approx((69.0, 68.0))
    written(records, tmp_path)
    line = pd.read_csv(tmp_path / "selection.csv").query("metric == 'acc_mm'").iloc[0]
    assert (line["val_best"], line["last"], line["test_oracle"]) == (70.5, 68.5, 72.0)
    assert (line["oracle_gain"], line["n"]) == (1.5, 2)
    # sd 0.707107, t(0.975, 1) = 12.706205: 1.5 +- 6.353
    assert (line["ci_low"], line["ci_high"]) == pytest.approx((-4.853, 7.853), abs=1e-3)
    page = markdown.render(table(CELLS, records), markdown.MARKDOWN)
    section = page.partition("## What choosing on the test set would have gained")[2]
    row = next(x for x in section.splitlines() if x.startswith("| M-SAM"))
    assert [c.strip() for c in row.strip("|").split("|")] == ["M-SAM", "+1.50", "", "", ""]
    assert "1.50 points to fused accuracy on average, at most 1.50 (M-SAM, AV-MNIST)" in page


def test_the_selection_of_the_table_changes_its_values_and_not_the_gain() -> None:
    records = [with_policies(0, 0.70, 0.69, 0.72)]
    entry = entry_of(table(CELLS, records, "test-oracle"), "M-SAM")
    assert entry.values == pytest.approx((72.0,))
    assert entry.oracle_gains == pytest.approx((2.0,))


def test_the_published_protocol_is_labelled() -> None:
    (run,) = runs(MSAM, 74.0)
    assert not any("PUBLISHED" in line for line in warnings(table(CELLS, [run])))
    data = {**MSAM.template.data, "protocol": "published"}
    cell = replace(MSAM, template=replace(MSAM.template, data=data))
    assert (
        "PUBLISHED PROTOCOL: epochs were chosen on the samples that are reported (AV-MNIST: the "
        "first 90 % of the test rows)."
    ) in warnings(table([cell], runs(cell, 74.0)))


def test_the_size_of_the_test_set_is_that_of_the_records() -> None:
    sizes = {"sizes": {"test": 100}}
    records = [replace(r, data={**r.data, **sizes}) for r in runs(MSAM, 49.0, 51.0)]
    entry = entry_of(table(CELLS, records), "M-SAM")
    assert entry.test_interval == pytest.approx((40.38315, 59.61685), abs=1e-4)  # 50 of 100
    records[1] = replace(records[1], data={"fingerprint": "print-a"})
    unknown = entry_of(table(CELLS, records), "M-SAM")
    assert unknown.verdict == "records contradict predictions"
    assert unknown.test_samples is None and math.isnan(unknown.test_interval[0])


def test_two_reports_of_the_same_files_are_equal_bytes(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results")
    records = write_results(folders, seeds=3, epochs=4, datasets=("cremad", "ave"))
    suites = {name: plan(name) for name in PAPERS}
    stored = tmp_path / "results" / "predictions"
    for out, given in (("a", records), ("b", records[::-1])):
        request = request_of(suites, given, predictions=Predictions(stored))
        found = write_report(request, tmp_path / out)
    assert all(table.tested for table in found.tables)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 19
    for name in names:
        one, other = ((tmp_path / out / name).read_bytes() for out in "ab")
        assert one == other, name


def test_synthetic_predictions_have_the_accuracies_of_their_record(tmp_path: Path) -> None:
    (record, *_) = write_results(Folders(tmp_path), seeds=1, epochs=4, datasets=("ave",))
    assert RunRecord.load(tmp_path / "runs" / f"{record.run_id}.json") == record
    arrays = predictions(record)
    for name in arrays.keys() - {"labels"}:
        number, output = name.removeprefix("epoch").split("_")
        accuracy = record.history[int(number) - 1]["test"][f"acc_{output}"]
        assert (arrays[name] == arrays["labels"]).mean() == accuracy
