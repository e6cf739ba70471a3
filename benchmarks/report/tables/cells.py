"""From records to the numbers of a table: every cell's metrics at the reported epochs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from benchmarks.configs.schema import DatasetConfig
from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import DONE, LOST, Evidence, evidence
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES, choose
from benchmarks.report.tables.entry import NOT_MEASURED, Entry
from benchmarks.report.tables.paper import PaperTable, column_name, metrics

Chosen = Mapping[str, Mapping[str, Any]]  # rule -> the epoch that it reports


def collect(
    cells: Iterable[Cell],
    records: Iterable[RunRecord],
    selection: str,
    datasets: Mapping[str, DatasetConfig],
    paper: PaperTable,
) -> list[Entry]:
    """One entry per cell and metric that exists for it; the verdicts are still open.

    Only `done` runs count; what became of the others is in the entry's `state` or `reason`.
    `selection` names the rule that chooses the epoch which a run reports.
    """
    by_cell: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_cell[record.experiment.cell_id].append(record)
    return [
        _with_runs(_empty(found, metric, paper), found, chosen, selection)
        for cell in cells
        for found in [evidence(cell, by_cell[cell.template.cell_id])]
        for chosen in [{r.run_id: _chosen(r, selection) for r in found.done}]
        for metric in cell_metrics(cell, datasets[cell.dataset])
    ]


def cell_metrics(cell: Cell, dataset: DatasetConfig) -> tuple[str, ...]:
    """The columns that a cell fills: a Single row has its own modality's only."""
    if len(cell.row.modalities) == 1:
        return (f"acc_{cell.row.modalities[0]}",)
    absent = set(dataset.modalities) - set(cell.row.modalities or dataset.modalities)
    return tuple(m for m in metrics(dataset) if m.removeprefix("acc_") not in absent)


def _empty(found: Evidence, metric: str, paper: PaperTable) -> Entry:
    cell = found.cell
    return Entry(
        cell=cell,
        metric=metric,
        paper=paper.get((cell.row.label, column_name(cell.dataset, metric)), math.nan),
        state=found.state,
        reason="; ".join(found.notes()),
        stand_in=found.stand_in,
        lost=any(r.status in LOST for r in found.records),
        mixed=len(found.fingerprints) > 1,
    )


def _with_runs(
    entry: Entry, found: Evidence, chosen: Mapping[str, Chosen], selection: str
) -> Entry:
    measured = {r.run_id: _percent(chosen[r.run_id], selection, entry.metric) for r in found.done}
    counted = tuple(r for r in found.done if not math.isnan(measured[r.run_id]))
    lacking = [str(r.experiment.seed) for r in found.done if math.isnan(measured[r.run_id])]
    if lacking:
        note = f"no {entry.metric} in the record (seed {', '.join(lacking)})"
        entry = replace(entry, reason="; ".join(filter(None, [entry.reason, note])))
    if entry.state == DONE and not counted:
        entry = replace(entry, state=NOT_MEASURED)
    policies = {
        rule: tuple(_percent(chosen[r.run_id], rule, entry.metric) for r in counted)
        for rule in RULES
    }
    values = tuple(measured[r.run_id] for r in counted)
    return replace(entry, runs=counted, values=values, policies=policies)


def _chosen(record: RunRecord, selection: str) -> Chosen:
    """The epochs that the rules report; none for a run without any."""
    rules = dict.fromkeys([*RULES, selection]) if record.history else ()
    return {rule: choose(rule, record.history) for rule in rules}


def _percent(chosen: Chosen, rule: str, metric: str) -> float:
    """The metric at the reported epoch, NaN where the record has none."""
    return 100 * chosen[rule]["test"].get(metric, math.nan) if chosen else math.nan
