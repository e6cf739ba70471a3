"""The runs as data for the page's script: every record once, compactly."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.configs.schema import Config
from benchmarks.records.evidence import fingerprint_of
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import RULES, choose
from benchmarks.report.tables.table import Table


class Pool:
    """Each different value once; a run holds its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """The number of a JSON value."""
        key = json.dumps(value, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]


def run_data(
    config: Config,
    tables: Sequence[Table],
    records: Sequence[RunRecord],
    left_out: Sequence[LeftOut],
) -> dict[str, Any]:
    """JSON values: `groups` of cells, each with its runs, and what the runs share.

    Accuracies are whole numbers of 0.01 points, null where a record has none.
    """
    pool, reasons = Pool(), {each.name: each.reason for each in left_out}
    by_cell: dict[str, list[dict[str, Any]]] = defaultdict(list)
    unique = {record.run_id: record for record in records}
    ordered = sorted(unique.values(), key=lambda r: (r.experiment.seed, r.run_id))
    for record in ordered:
        run = _run(record, pool) | {"left_out": reasons.get(record.run_id, "")}
        by_cell[record.experiment.cell_id].append(run)
    groups = []
    for table in tables:
        for dataset in table.datasets:
            cells = {
                e.cell.template.cell_id: e.row for e in table.entries if e.cell.dataset == dataset
            }
            title = f"{table.title}, {config.datasets[dataset].label}"
            groups.append(_group(title, cells, by_cell))
    placed = {cell["id"] for group in groups for cell in group["cells"]}
    others = {
        r.experiment.cell_id: _label(config, r)
        for r in sorted(ordered, key=lambda r: r.run_id)
        if r.experiment.cell_id not in placed
    }
    groups.append(_group("In no table", others, by_cell))
    found = [group for group in groups if group["cells"]]
    return {"rules": list(RULES), "groups": found, "shared": pool.values}


def _group(title: str, cells: Mapping[str, str], runs: Mapping[str, Any]) -> dict[str, Any]:
    found = [{"id": key, "label": cells[key], "runs": runs[key]} for key in cells if key in runs]
    return {"title": title, "cells": found}


def _label(config: Config, record: RunRecord) -> str:
    """Such as `M-SAM, AV-MNIST, late fusion`, also of a method that no longer exists."""
    experiment = record.experiment
    method, dataset = (
        known[name].label if name in known else name
        for name, known in (
            (experiment.method, config.methods),
            (experiment.dataset, config.datasets),
        )
    )
    only = f", {' and '.join(experiment.modalities)} only" if experiment.modalities else ""
    return f"{method}, {dataset}, {experiment.fusion} fusion{only}"


def _run(record: RunRecord, pool: Pool) -> dict[str, Any]:
    configuration = _flat(record.experiment.to_dict() | {"params": dict(record.method_params)})
    for own in ("seed", "data.fingerprint"):
        configuration.pop(own, None)
    seconds = record.timing.get("epoch_seconds", ())
    return {
        "id": record.run_id,
        "seed": record.experiment.seed,
        "status": record.status,
        "reason": record.reason,
        "stand_in": record.stand_in,
        "configuration": pool.number(configuration),
        "environment": pool.number(_flat(record.environment)),
        "fingerprint": fingerprint_of(record),
        "sizes": pool.number(dict(record.data.get("sizes", {}))),
        "parameters": record.parameters,
        "finished": record.timing.get("finished", ""),
        "seconds": record.timing.get("seconds"),
        "epoch_seconds": sum(seconds) / len(seconds) if seconds else None,
        "epochs": [choose(rule, record.history)["epoch"] for rule in RULES if record.history],
        "curves": _curves(record),
    }


def _curves(record: RunRecord) -> dict[str, list[int | None]]:
    """The fused accuracy of every split, and each modality's on the test data."""
    tested = {name for epoch in record.history for name in epoch["test"] if name.startswith("acc_")}
    lines = [("test", name) for name in sorted(tested, key=lambda name: (name != "acc_mm", name))]
    lines[1:1] = [("val", "acc_mm"), ("train", "acc_mm")]
    curves = {
        f"{split} {'fused' if name == 'acc_mm' else name.removeprefix('acc_')}": [
            _hundredths(epoch.get(split, {}).get(name)) for epoch in record.history
        ]
        for split, name in lines
    }
    return {label: line for label, line in curves.items() if set(line) - {None}}


def _hundredths(fraction: float | None) -> int | None:
    return None if fraction is None else round(10000 * fraction)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their path: {"optim": {"lr": 0.1}} gives {"optim.lr": 0.1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat
