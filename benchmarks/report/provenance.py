"""Where every number comes from: the runs behind the tables, and the records that are not used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import pandas as pd

from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import fingerprint_of
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import RULES, choose
from benchmarks.report.dataframes import frame, frame_of
from benchmarks.report.tables.table import Table

NAMED = 3  # records per reason on the terminal; the file has all of them


def runs_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The lines of `runs.csv`: each run behind a number, once, with code, data and machine."""
    runs = {run.run_id: run for table in tables for e in table.entries for run in e.runs}
    return frame_of(_RUNS, [(runs[name],) for name in sorted(runs)])


def left_out_frame(left_out: Iterable[LeftOut]) -> pd.DataFrame:
    """The lines of `left_out.csv`: each record that no table uses, and why."""
    return frame(("record", "reason"), sorted((each.name, each.reason) for each in left_out))


def unused(records: Iterable[RunRecord], suites: Mapping[str, Sequence[Cell]]) -> list[LeftOut]:
    """The records that fill no cell, or that were made on other data than the present."""
    cells = {cell.template.cell_id: cell for cells in suites.values() for cell in cells}
    found = []
    for record in records:
        cell = cells.get(record.experiment.cell_id)
        present = cell.template.data.get("fingerprint") if cell else None
        if cell is None:
            reason = "they belong to no table under this profile"
            found.append(LeftOut(record.run_id, reason))
        elif present not in (None, fingerprint_of(record)):
            found.append(LeftOut(record.run_id, "they were made on other data than the present"))
    return found


def left_out_text(left_out: Sequence[LeftOut]) -> str:
    """The records that no table uses, a line per reason with the first of their names."""
    names: dict[str, list[str]] = defaultdict(list)
    for each in left_out:
        names[each.reason].append(each.name)
    lines = [
        f"  {len(found)} left out, {reason}: {', '.join(sorted(found)[:NAMED])}"
        + (", ..." if len(found) > NAMED else "")
        for reason, found in names.items()
    ]
    heading = "Records that no table uses (report lists all of them in left_out.csv):"
    return "\n".join([heading, *lines]) if lines else ""


def _epoch(run: RunRecord, rule: str) -> int:
    return choose(rule, run.history)["epoch"]


_RUNS: Mapping[str, Callable[..., object]] = {
    "run_id": lambda run: run.run_id,
    "dataset": lambda run: run.experiment.dataset,
    "fusion": lambda run: run.experiment.fusion,
    "method": lambda run: run.experiment.method,
    "modalities": lambda run: " ".join(run.experiment.modalities),
    "seed": lambda run: run.experiment.seed,
    "epochs": lambda run: len(run.history),
    **{f"epoch_{rule.replace('-', '_')}": partial(_epoch, rule=rule) for rule in RULES},
    "commit": lambda run: run.environment.get("commit", ""),
    "modified": lambda run: run.environment.get("modified", ""),
    "fingerprint": fingerprint_of,
    "stand_in": lambda run: run.stand_in,
    "protocol": lambda run: run.experiment.data.get("protocol", ""),
    "test_samples": lambda run: run.data.get("sizes", {}).get("test", ""),
    "segments": lambda run: run.data.get("segments", 1),
    "device": lambda run: run.environment.get("device", ""),
    "torch": lambda run: run.environment.get("torch", ""),
    "python": lambda run: run.environment.get("python", ""),
    "finished": lambda run: run.timing.get("finished", ""),
    "seconds": lambda run: run.timing.get("seconds"),
}
