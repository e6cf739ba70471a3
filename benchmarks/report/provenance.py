"""Where every number comes from: the runs behind the tables, and the records that are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import fingerprint_of
from benchmarks.records.files import csv_text, write_text
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import RULES, choose
from benchmarks.report.tables.table import Table

NAMED = 3  # records per reason on the terminal; the file has all of them


def write_runs(tables: Sequence[Table], out: Path) -> Path:
    """Writes `runs.csv`: each run behind a number, once, with code, data and machine."""
    runs = {run.run_id: run for table in tables for e in table.entries for run in e.runs}
    path = out / "runs.csv"
    write_text(path, csv_text([_COLUMNS, *(_line(runs[name]) for name in sorted(runs))]))
    return path


def write_left_out(left_out: Iterable[LeftOut], out: Path) -> Path:
    """Writes `left_out.csv`: each record that no table uses, and why."""
    path = out / "left_out.csv"
    lines = sorted((x.name, x.reason) for x in left_out)
    write_text(path, csv_text([("record", "reason"), *lines]))
    return path


def unused(records: Iterable[RunRecord], suites: Mapping[str, Sequence[Cell]]) -> list[LeftOut]:
    """The records that fill no cell, or that were made on other data than the present."""
    cells = {cell.template.cell_id: cell for cells in suites.values() for cell in cells}
    found = []
    for record in records:
        cell = cells.get(record.experiment.cell_id)
        present = cell.template.data.get("fingerprint") if cell else None
        if cell is None:
            reason = "its experiment is that of no cell of a table under this profile"
            found.append(LeftOut(record.run_id, reason))
        elif present not in (None, fingerprint_of(record)):
            found.append(LeftOut(record.run_id, "it was made on other data than the present"))
    return found


def left_out_text(left_out: Sequence[LeftOut]) -> str:
    """The records that no table uses, a line per reason with the first of their names."""
    names: dict[str, list[str]] = {}
    for each in left_out:
        names.setdefault(each.reason, []).append(each.name)
    lines = [
        f"  {len(found)} left out, {reason}: {', '.join(sorted(found)[:NAMED])}"
        + (", ..." if len(found) > NAMED else "")
        for reason, found in names.items()
    ]
    return "\n".join(["Records that no table uses (see left_out.csv):", *lines]) if lines else ""


_COLUMNS = (
    "run_id", "dataset", "fusion", "method", "modalities", "seed", "epochs",
    *(f"epoch_{rule.replace('-', '_')}" for rule in RULES), "commit", "modified",
    "fingerprint", "stand_in", "protocol", "test_samples", "segments", "device", "torch",
    "python", "finished", "seconds",
)  # fmt: skip


def _line(run: RunRecord) -> list[object]:
    experiment, machine = run.experiment, run.environment
    return [
        run.run_id,
        experiment.dataset,
        experiment.fusion,
        experiment.method,
        " ".join(experiment.modalities),
        experiment.seed,
        len(run.history),
        *(choose(rule, run.history)["epoch"] for rule in RULES),
        machine.get("commit", ""),
        machine.get("modified", ""),
        fingerprint_of(run),
        run.stand_in,
        experiment.data.get("protocol", ""),
        run.data.get("sizes", {}).get("test", ""),
        run.data.get("segments", 1),
        machine.get("device", ""),
        machine.get("torch", ""),
        machine.get("python", ""),
        run.timing.get("finished", ""),
        run.timing.get("seconds", ""),
    ]
