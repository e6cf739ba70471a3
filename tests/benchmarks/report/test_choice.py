"""A report narrowed to some datasets and methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report.write import Report, narrowed, write_report
from tests.benchmarks.report.builders import READY, cell_of, plan, request_of, runs

CELLS = plan(avmnist=READY, cremad=READY)
PAPER = 74.08  # of M-SAM on AV-MNIST


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """M-SAM differs on CREMA-D alone; SAM has no runs."""
    found = runs(cell_of(CELLS, "M-SAM"), PAPER - 0.1, PAPER, PAPER + 0.1)
    found += runs(cell_of(CELLS, "M-SAM", "cremad"), 10.0, 10.1, 10.2)
    return write_report(request_of({"table1": CELLS}, found), tmp_path)


def test_texts_are_those_of_the_choice(report: Report) -> None:
    chosen = narrowed(report, ["avmnist"], ["msam"])
    assert "M-SAM" in chosen.comparison(True) and "AV-MNIST fused" in chosen.comparison(True)
    assert "CREMA-D" not in chosen.comparison(True) and "not run" not in chosen.comparison(True)
    assert "CREMA-D" not in chosen.pages["table1"] and "SAM (" not in chosen.pages["table1"]


def test_the_exit_status_is_that_of_the_choice(report: Report) -> None:
    assert report.exit_status == narrowed(report, ["cremad"], []).exit_status == 1
    assert narrowed(report, [], ["sam"]).exit_status == 2


def test_files_and_tables_stay_whole_and_no_choice_is_everything(report: Report) -> None:
    assert narrowed(report, [], []) is report
    chosen = narrowed(report, ["avmnist"], [])
    assert (chosen.files, chosen.tables) == (report.files, report.tables)


@pytest.mark.parametrize(
    ("datasets", "methods", "named"),
    [
        (["avmnits"], [], "'avmnist'"),
        ([], ["msma"], "'msam'"),
        (["avmnist"], ["wsam"], "no row of a table has avmnist wsam"),
    ],
)
def test_a_choice_of_nothing_is_an_error(
    report: Report, datasets: list[str], methods: list[str], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        narrowed(report, datasets, methods)
