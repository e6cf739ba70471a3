"""Committed records, no data: what a fresh clone can still say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.configs.load import load_config
from benchmarks.plan import measurements
from benchmarks.plan.suites import DataState, plan_suite
from benchmarks.training.checkpoint import trained_seconds
from tests.benchmarks.report.builders import cell_of, runs

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A results folder with runs of M-SAM and of a control, and no data."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "nothing"))
    config = load_config()
    states = dict.fromkeys(config.datasets, DataState("print-a"))
    cells = plan_suite(config, "controls", config.profiles["paper"], states)
    for row in ("M-SAM", "M-SAM (random)"):
        for made in runs(cell_of(cells, row), 71.0, 72.0, 73.0):
            timed = replace(made, timing={"seconds": 1200.0}, environment={"device": "A"})
            timed.save(tmp_path / "results" / "runs" / f"{made.run_id}.json")
    return tmp_path / "results"


def test_compare_shows_the_runs_of_the_papers_tables_and_of_our_own(clone, capsys):
    words = ["compare", "--profile", "paper", "--datasets", "avmnist", "--out", str(clone)]
    assert main(words) == 2  # fewer seeds than planned: no verdict
    told = capsys.readouterr().out
    rows = [line for line in told.splitlines() if "AV-MNIST fused" in line]
    shown = [(line.split()[0], " (random) " in line) for line in rows]
    assert sorted(shown) == [("controls", False), ("controls", True), ("table1", False)]
    assert all("M-SAM" in line for line in rows)
    assert "72.00 ± 1.00" in told and "Records that no table uses" not in told


def test_a_run_that_two_of_our_tables_share_shows_the_first_alone(clone, capsys):
    config = load_config()
    states = dict.fromkeys(config.datasets, DataState("print-a"))
    cells = plan_suite(config, "noise", config.profiles["paper"], states)
    for made in runs(cell_of(cells, "MASAM"), 71.0):
        made.save(clone / "runs" / f"{made.run_id}.json")
    assert main(["compare", "--profile", "paper", "--out", str(clone)]) == 2
    told = capsys.readouterr().out
    tables = {line.split()[0] for line in told.splitlines() if "MASAM" in line}
    assert tables == {"controls"}


def test_compare_loads_no_torch(clone):
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"main(['compare', '--profile', 'paper', '--out', {str(clone)!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_report_says_what_the_runs_cost_on_page_and_in_a_file(clone, capsys):
    words = ["--profile", "paper", "--methods", "msam", "--out", str(clone)]
    assert main(["report", *words]) == 0
    line = "Compute: 2.00 h in 6 runs (6 done: 2.00 h), on A."
    assert line in capsys.readouterr().out
    assert line in (clone / "report.html").read_text()
    assert "done,6,2.0000,0,A" in (clone / "tables" / "compute.csv").read_text()


def test_the_time_of_an_interrupted_run_is_in_its_checkpoint(tmp_path):
    from benchmarks.training.checkpoint import keep_checkpoint

    path = tmp_path / "some-run.pt"
    for seconds in ([30.0], [30.0, 20.0]):
        keep_checkpoint(path, {"epoch_seconds": seconds, "partial": {"seconds": 2.5}})
    assert trained_seconds(tmp_path) == {"some-run": 52.5}
    path.rename(tmp_path / "aside")
    assert trained_seconds(tmp_path) == {"some-run": 32.5}, "the checkpoint before is left"
    path.write_bytes(b"damaged")
    assert str(trained_seconds(tmp_path)["some-run"]) == "nan"
    assert trained_seconds(tmp_path / "none") == {}


class Anything:
    """Stands for what a checkpoint never holds."""


@pytest.mark.parametrize(
    "state",
    [
        {"epoch_seconds": [1.0], "partial": None},
        {"epoch_seconds": [1.0], "partial": [2.0]},
        {"epoch_seconds": [1.0]},
        {"epoch_seconds": [1.0], "partial": Anything()},
        [],
    ],
)
def test_a_checkpoint_of_other_content_counts_as_unreadable(tmp_path, state):
    from benchmarks.training.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "some-run.pt", state)
    assert str(trained_seconds(tmp_path)["some-run"]) == "nan"


def test_a_refused_checkpoint_and_damaged_figures_of_bench_do_not_end_the_report(
    clone, tmp_path, monkeypatch, capsys
):
    from benchmarks.training.checkpoint import keep_checkpoint

    (clone / "checkpoints").mkdir()
    keep_checkpoint(clone / "checkpoints" / "some-run.pt", {"partial": Anything()})
    broken = tmp_path / "steps.json"
    broken.write_text("{")
    read = partial(measurements.load_figures, tmp_path)
    monkeypatch.setattr("benchmarks.plan.measurements.load_figures", read)
    assert main(["report", "--profile", "paper", "--out", str(clone)]) == 0
    assert "Not timed: 1 of them." in capsys.readouterr().out
    assert f"{broken} is not a table of bench" in (clone / "report.html").read_text()
