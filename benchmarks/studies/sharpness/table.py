"""The table of sharpness: per method and block, the mean over seeds."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev

from tabulate import tabulate

from benchmarks.configs.schema import Config
from benchmarks.records.files import write_text
from benchmarks.records.record import RunRecord
from benchmarks.report.wording import is_published, run_labels
from benchmarks.studies.sharpness.curvature_file import Curvature, CurvatureSettings

Key = tuple[CurvatureSettings, str, str]  # settings, cell_id, block


@dataclass(frozen=True)
class SharpnessRow:
    """Means over the `n` seeds, with the standard deviations of the three that are compared.

    `trace_error` is the standard error that the random vectors leave in the mean trace, and
    `unconverged` counts runs whose search for the eigenvalue was cut short.
    """

    dataset: str
    fusion: str
    method: str
    block: str
    n: int
    eigenvalue: float
    eigenvalue_sd: float
    trace: float
    trace_sd: float
    trace_error: float
    sharpness: float
    sharpness_sd: float
    gradient_norm: float
    loss: float
    unconverged: int
    split: str
    samples: int
    rho: float
    probes: int
    stand_in: bool
    published_protocol: bool


def sharpness_rows(
    config: Config, records: Sequence[RunRecord], paths: Iterable[Path]
) -> list[SharpnessRow]:
    """One row per cell, settings and block of the curvatures in the files `paths`.

    Results of runs without a record are left out. ValueError names a file that is damaged.
    """
    runs = {record.run_id: record for record in records}
    groups: dict[Key, list[tuple[RunRecord, Curvature]]] = defaultdict(list)
    for found in map(Curvature.load, paths):
        run = runs.get(found.run_id)
        for block in found.blocks if run else ():
            groups[found.settings, run.experiment.cell_id, block].append((run, found))
    used = [run for pairs in groups.values() for run, _ in pairs]
    labels = run_labels(config, used)
    return [_row(key, pairs, labels[key[1]]) for key, pairs in groups.items()]


def write_sharpness(rows: Sequence[SharpnessRow], path: Path) -> None:
    """Writes the rows as CSV, empty where there is no number."""
    text = io.StringIO()
    table = csv.DictWriter(text, [f.name for f in fields(SharpnessRow)], lineterminator="\n")
    table.writeheader()
    table.writerows({k: _cell(v) for k, v in asdict(row).items()} for row in rows)
    write_text(path, text.getvalue())


def sharpness_text(rows: Sequence[SharpnessRow]) -> str:
    """The rows as a table to print."""
    shown = [
        {
            "method": row.method,
            "block": row.block,
            "seeds": row.n,
            "largest eigenvalue": _spread(row.eigenvalue, row.eigenvalue_sd),
            "trace": _spread(row.trace, row.trace_sd),
            "its standard error": f"{row.trace_error:.2g}",
            "SAM sharpness": _spread(row.sharpness, row.sharpness_sd),
        }
        for row in rows
    ]
    return tabulate(shown, headers="keys", tablefmt="github", disable_numparse=True)


def _row(key: Key, pairs: Sequence[tuple[RunRecord, Curvature]], label: str) -> SharpnessRow:
    settings, _, block = key
    run = pairs[0][0]
    found = [curvature.blocks[block] for _, curvature in pairs]
    eigenvalue, trace, rise = (
        _mean([getattr(b, name) for b in found]) for name in ("eigenvalue", "trace", "sharpness")
    )
    return SharpnessRow(
        dataset=run.experiment.dataset,
        fusion=run.experiment.fusion,
        method=label,
        block=block,
        n=len(found),
        eigenvalue=eigenvalue[0],
        eigenvalue_sd=eigenvalue[1],
        trace=trace[0],
        trace_sd=trace[1],
        trace_error=math.hypot(*(b.trace_error for b in found)) / len(found),
        sharpness=rise[0],
        sharpness_sd=rise[1],
        gradient_norm=fmean(b.gradient_norm for b in found),
        loss=fmean(curvature.loss for _, curvature in pairs),
        unconverged=sum(not b.converged for b in found),
        split=settings.split,
        samples=max(curvature.rows for _, curvature in pairs),
        rho=settings.rho,
        probes=settings.probes,
        stand_in=run.stand_in,
        published_protocol=is_published([run]),
    )


def _mean(values: Sequence[float]) -> tuple[float, float]:
    return fmean(values), stdev(values) if len(values) > 1 else math.nan


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.3g}" + ("" if math.isnan(sd) else f" ± {sd:.2g}")
