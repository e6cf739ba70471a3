"""What the recorded runs cost: hours by how they ended, including those without a result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plan import measurements
from benchmarks.plan.costs import CountsOf, estimates, sources
from benchmarks.plan.measurements import Figures, prepared_counts
from benchmarks.records.evidence import NEVER_STARTED
from benchmarks.records.record import RunRecord
from benchmarks.report.dataframes import frame, write_csv
from datasets.errors import counted

if TYPE_CHECKING:
    import pandas as pd


def reality_line(
    records: Iterable[RunRecord], figures: Figures, counts_of: CountsOf = prepared_counts
) -> str | None:
    """Estimated against measured hours of the runs that have both; None if there is none."""
    done = [r for r in records if r.status == "done" and r.timing.get("seconds")]
    guesses = estimates([r.experiment for r in done], figures, counts_of)
    both = [(g, r) for g, r in zip(guesses, done, strict=True) if g.seconds is not None]
    if not both:
        return None
    guess = sum(g.seconds or 0.0 for g, _ in both)
    real = sum(float(r.timing["seconds"]) for _, r in both)
    return (
        f"{counted(len(both), 'run')} took {real / 3600:.3f} h; "
        f"estimated were {guess / 3600:.3f} h "
        f"({guess / real:.2f} of it), from figures of {sources(g for g, _ in both)}"
    )


def reality(records: Iterable[RunRecord]) -> str | None:
    """`reality_line` with what `bench` measured, or what is wrong with its files.

    Never raises: this is one sentence beside the results.
    """
    try:
        figures = measurements.load_figures()
    except ValueError as error:
        return " ".join(str(error).split())
    return reality_line(records, figures)


UNFINISHED = "unfinished"  # interrupted, or still running


def compute_frame(records: Iterable[RunRecord], checkpoints: Mapping[str, float]) -> pd.DataFrame:
    """The hours of the runs with the same status, a line each, most hours first.

    `hours` adds up their epochs, evaluation included, as if one run came after the other, and those
    that failed until the last failure; it lacks the `untimed` runs. `hardware` is what the records
    name. `checkpoints` are {run_id: seconds trained until then, NaN if unknown}.
    """
    found = list(records)
    recorded = {record.run_id for record in found}
    runs: list[tuple[str, float, str]] = [
        (r.status, _seconds(r, checkpoints), _machine(r)) for r in found
    ]
    runs += [(UNFINISHED, s, "") for name, s in checkpoints.items() if name not in recorded]
    times = frame(["status", "seconds", "machine"], runs).astype({"seconds": "float64"})
    rows = times.groupby("status").agg(
        runs=("seconds", "size"),
        hours=("seconds", lambda seconds: seconds.sum() / 3600),
        untimed=("seconds", lambda seconds: seconds.isna().sum()),
        hardware=("machine", lambda machines: " and ".join(sorted({*machines} - {""}))),
    )
    return rows.reset_index().sort_values(["hours", "status"], ascending=[False, True])


def write_compute(
    records: Iterable[RunRecord], checkpoints: Mapping[str, float], path: Path
) -> str:
    """Writes `compute_frame` as CSV; returns it in one sentence."""
    rows = compute_frame(records, checkpoints)
    write_csv(rows, path)
    return compute_line(rows)


def compute_line(rows: pd.DataFrame) -> str:
    """All lines of `compute_frame` in one sentence."""
    parts = [f"{row.runs} {row.status}: {row.hours:.2f} h" for row in rows.itertuples()]
    machines = sorted({m for each in rows["hardware"] for m in each.split(" and ") if m})
    untimed = rows["untimed"].sum()
    missing = f" Not timed: {untimed} of them." * bool(untimed)
    where = f", on {' and '.join(machines)}" * bool(machines)
    told = f"{rows['hours'].sum():.2f} h in {rows['runs'].sum()} runs"
    return f"Compute: {told} ({', '.join(parts) or 'none'}){where}.{missing}"


def _seconds(record: RunRecord, checkpoints: Mapping[str, float]) -> float:
    """The longer of two times: that of a failure has its checkpoint's in it, and a checkpoint saved
    since by another attempt goes on from there."""
    unknown = 0.0 if record.status in NEVER_STARTED else math.nan
    both = record.timing.get("seconds", math.nan), checkpoints.get(record.run_id, math.nan)
    return max((each for each in both if not math.isnan(each)), default=unknown)


def _machine(record: RunRecord) -> str:
    """Its accelerator or its processor, with the number of threads that computed."""
    machine = record.environment
    device, threads = machine.get("device", "unknown hardware"), machine.get("threads")
    return f"{device}, threads: {threads}" if threads else device
