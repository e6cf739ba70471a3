"""`calibrate`, `forensics printed`, and the power of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.power import power_lines
from tests.benchmarks.report.builders import READY, cell_of, plan, runs

CELL = cell_of(plan(avmnist=READY), "M-SAM")
PLANNED = [run.experiment for run in runs(CELL, *[70.0] * 5)]


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""


def test_calibrate_prints_and_writes_the_rates(tmp_path: Path, capsys, monkeypatch) -> None:
    from benchmarks.studies.calibration import study

    monkeypatch.setattr(study, "SPREADS", (0.8,))
    monkeypatch.setattr(study, "SEEDS", (3,))
    assert main(["calibrate", "--columns", "10", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "| cremad" in said and "The same through the real collector" in said
    assert (tmp_path / "calibration.md").is_file()
    lines = (tmp_path / "calibration.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 4


def test_too_few_columns_are_refused(capsys) -> None:
    assert main(["calibrate", "--columns", "3"]) != 0
    assert "at least 10" in "".join(capsys.readouterr())


def test_forensics_printed_trains_nothing(tmp_path: Path, capsys) -> None:
    assert main(["forensics", "printed", "--out", str(tmp_path)]) == 0
    assert "k/669" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"sizes.md", "sizes.csv"}


def test_the_power_is_that_of_the_spread_of_the_records() -> None:
    known = power_lines(PLANNED, runs(CELL, 70.0, 70.5, 71.0))
    assert len(known) == 1 and "5 seeds, sd 0.50 points (of the records)" in known[0]
    unknown = power_lines(PLANNED, [])
    assert [line.partition("sd ")[2][:4] for line in unknown] == ["0.30", "0.80", "1.50"]
    assert "a true match is called reproduced in 53 %" in unknown[1]


def test_what_gets_no_verdict_has_no_power() -> None:
    generated = [run.experiment for run in runs(CELL, 70.0, 70.1)]
    generated = [type(e).from_dict(e.to_dict() | {"data": {"stand_in": True}}) for e in generated]
    assert power_lines(generated, []) == power_lines(PLANNED[:1], []) == []
