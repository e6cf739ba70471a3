"""What the runs cost, those without a result included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.records.record import RunRecord
from benchmarks.report.compute import compute_frame, compute_line, write_compute
from tests.benchmarks.report.builders import READY, cell_of, plan, record

CELL = cell_of(plan(avmnist=READY), "M-SAM")


def run(seed: int, seconds: float | None, status: str = "done", device: str = "A") -> RunRecord:
    """A run of so many seconds; None: its record holds no time."""
    timing = {} if seconds is None else {"seconds": seconds}
    made = record(CELL, seed, status=status)
    return replace(made, timing=timing, environment={"device": device, "threads": 2})


def test_hours_by_how_the_runs_ended_by_hand(tmp_path: Path) -> None:
    records = [
        run(0, 3600.0),
        run(1, 1800.0, device="B"),
        run(2, 900.0, "diverged"),
        run(3, None, "failed"),
        run(4, None, "failed"),
        run(5, None, "unsupported"),
        run(6, 1440.0, "failed"),
        run(7, 1440.0, "failed"),
        run(8, 1440.0, "failed"),
    ]
    checkpoints = {
        records[3].run_id: 720.0,
        records[6].run_id: 720.0,  # in the record's time already
        records[7].run_id: 2160.0,  # of a later attempt, which went on from the same checkpoint
        records[8].run_id: float("nan"),
        "interrupted": 360.0,
        "damaged": float("nan"),
    }
    line = write_compute(records, checkpoints, tmp_path / "compute.csv")
    table = pd.read_csv(tmp_path / "compute.csv").set_index("status")
    assert table["runs"].to_dict() == {
        "done": 2, "diverged": 1, "failed": 5, "unfinished": 2, "unsupported": 1,
    }  # fmt: skip
    assert table["hours"].to_dict() == {
        "done": 1.5, "diverged": 0.25, "failed": 1.6, "unfinished": 0.1, "unsupported": 0.0,
    }  # fmt: skip
    assert table["untimed"].to_dict() == {
        "done": 0, "diverged": 0, "failed": 1, "unfinished": 1, "unsupported": 0,
    }  # fmt: skip
    assert table["hardware"]["done"] == "A, threads: 2 and B, threads: 2"
    assert line.startswith("Compute: 3.45 h in 11 runs (5 failed: 1.60 h, 2 done: 1.50 h, ")
    assert line.endswith("on A, threads: 2 and B, threads: 2. Not timed: 2 of them.")


def test_a_record_with_a_time_is_not_counted_again_for_its_checkpoint() -> None:
    done = run(0, 60.0)
    (row,) = compute_frame([done], {done.run_id: 30.0}).itertuples()
    assert (row.runs, row.hours, row.untimed) == (1, pytest.approx(1 / 60), 0)


def test_no_records_take_no_hours() -> None:
    assert compute_line(compute_frame([], {})) == "Compute: 0.00 h in 0 runs (none)."
