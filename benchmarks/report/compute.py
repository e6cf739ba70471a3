"""What the runs at hand cost: hours by how they ended, those without a result included."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.plan import measurements
from benchmarks.plan.costs import CountsOf, estimates, sources
from benchmarks.plan.measurements import Figures, prepared_counts
from benchmarks.records.evidence import NEVER_STARTED
from benchmarks.records.files import csv_text, write_text
from benchmarks.records.record import RunRecord
from datasets.errors import counted


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
    """`reality_line` with what `bench` measured, or what is wrong with its files: a sentence beside
    the results must not cost them."""
    try:
        figures = measurements.load_figures()
    except ValueError as error:
        return " ".join(str(error).split())
    return reality_line(records, figures)


UNFINISHED = "unfinished"  # interrupted, or still running


@dataclass(frozen=True)
class ComputeRow:
    """Runs with the same `status`. `hours` adds up their epochs, evaluation included, as if one
    run came after the other, and those that failed until the last failure; `untimed` runs are not
    in it. `hardware` is what the records name.
    """

    status: str
    runs: int
    hours: float
    untimed: int
    hardware: tuple[str, ...]


def compute_rows(
    records: Iterable[RunRecord], checkpoints: Mapping[str, float]
) -> list[ComputeRow]:
    """A row per status, in order of hours.

    `checkpoints` are {run_id: seconds trained until then, NaN if unknown}.
    """
    found = list(records)
    seconds: dict[str, list[float]] = defaultdict(list)
    machines: dict[str, set[str]] = defaultdict(set)
    for record in found:
        seconds[record.status].append(_seconds(record, checkpoints))
        machines[record.status].add(_machine(record))
    recorded = {record.run_id for record in found}
    if left := [saved for run_id, saved in checkpoints.items() if run_id not in recorded]:
        seconds[UNFINISHED] = left
    rows = [_row(status, times, machines[status]) for status, times in seconds.items()]
    return sorted(rows, key=lambda row: (-row.hours, row.status))


def write_compute(
    records: Iterable[RunRecord], checkpoints: Mapping[str, float], path: Path
) -> list[ComputeRow]:
    """Writes the rows as CSV and returns them."""
    rows = compute_rows(records, checkpoints)
    lines: list[list[object]] = [[f.name for f in fields(ComputeRow)]]
    for row in rows:
        hours, machines = f"{row.hours:.4f}", " and ".join(row.hardware)
        lines.append([row.status, row.runs, hours, row.untimed, machines])
    write_text(path, csv_text(lines))
    return rows


def compute_line(rows: Sequence[ComputeRow]) -> str:
    """All rows in one sentence."""
    hours = sum(row.hours for row in rows)
    parts = ", ".join(f"{row.runs} {row.status}: {row.hours:.2f} h" for row in rows) or "none"
    machines = " and ".join(sorted({machine for row in rows for machine in row.hardware}))
    untimed = sum(row.untimed for row in rows)
    missing = f" Not timed: {untimed} of them." * (untimed > 0)
    where = f", on {machines}" * bool(machines)
    return f"Compute: {hours:.2f} h in {sum(r.runs for r in rows)} runs ({parts}){where}.{missing}"


def _row(status: str, seconds: Sequence[float], machines: Iterable[str]) -> ComputeRow:
    known = [s for s in seconds if not math.isnan(s)]
    hours, untimed = math.fsum(known) / 3600, len(seconds) - len(known)
    return ComputeRow(status, len(seconds), hours, untimed, tuple(sorted(machines)))


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
