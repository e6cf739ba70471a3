"""The table of sharpness: per method and block of parameters, the mean over seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev

from tabulate import tabulate

from benchmarks.configs.schema import Config
from benchmarks.records.files import csv_text, write_text
from benchmarks.records.record import RunRecord
from benchmarks.report.tables.study import Number, StudyTable
from benchmarks.report.wording import is_published, run_labels
from benchmarks.studies.sharpness.sharpness_files import Curvature, CurvatureSettings

ABOUT = (
    "Largest Hessian eigenvalue, Hessian trace and SAM's sharpness of the loss at the last epoch's "
    "weights, by block of parameters: mean and standard deviation over seeds."
)


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


@dataclass(frozen=True)
class _Group:
    """What has a row of its own."""

    settings: CurvatureSettings
    cell_id: str
    block: str


@dataclass(frozen=True)
class _Measured:
    run: RunRecord
    curvature: Curvature


def sharpness_rows(
    config: Config, records: Sequence[RunRecord], curvatures: Iterable[Curvature]
) -> list[SharpnessRow]:
    """One row per cell, settings and block; curvatures of runs without a record are left out."""
    runs = {record.run_id: record for record in records}
    groups: dict[_Group, list[_Measured]] = defaultdict(list)
    for curvature in curvatures:
        if run := runs.get(curvature.run_id):
            for block in curvature.blocks:
                group = _Group(curvature.settings, run.experiment.cell_id, block)
                groups[group].append(_Measured(run, curvature))
    labels = run_labels(config, [each.run for found in groups.values() for each in found])
    return [_row(group, found, labels[group.cell_id]) for group, found in groups.items()]


def _row(group: _Group, found: Sequence[_Measured], label: str) -> SharpnessRow:
    run, settings = found[0].run, group.settings
    blocks = [each.curvature.blocks[group.block] for each in found]
    eigenvalues = [block.eigenvalue for block in blocks]
    traces = [block.trace for block in blocks]
    rises = [block.sharpness for block in blocks]
    return SharpnessRow(
        dataset=run.experiment.dataset,
        fusion=run.experiment.fusion,
        method=label,
        block=group.block,
        n=len(blocks),
        eigenvalue=fmean(eigenvalues),
        eigenvalue_sd=_sd(eigenvalues),
        trace=fmean(traces),
        trace_sd=_sd(traces),
        trace_error=math.hypot(*(block.trace_error for block in blocks)) / len(blocks),
        sharpness=fmean(rises),
        sharpness_sd=_sd(rises),
        gradient_norm=fmean(block.gradient_norm for block in blocks),
        loss=fmean(each.curvature.loss for each in found),
        unconverged=sum(not block.converged for block in blocks),
        split=settings.split,
        samples=max(each.curvature.rows for each in found),
        rho=settings.rho,
        probes=settings.probes,
        stand_in=run.stand_in,
        published_protocol=is_published([run]),
    )


def _sd(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else math.nan


def write_sharpness(rows: Sequence[SharpnessRow], path: Path) -> None:
    """Writes the rows as CSV; a missing number is an empty field."""
    header = [field.name for field in fields(SharpnessRow)]
    lines = [[_cell(value) for value in astuple(row)] for row in rows]
    write_text(path, csv_text([header, *lines]))


def _cell(value: object) -> object:
    return _number(value, ".6g").text if isinstance(value, float) else value


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


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.3g}" + ("" if math.isnan(sd) else f" ± {sd:.2g}")


def page_tables(rows: Sequence[SharpnessRow]) -> list[StudyTable]:
    """The rows as the page shows them; no table without rows."""
    columns = (
        "Method", "Dataset", "Fusion", "Block", "Seeds", "Eigenvalue", "sd", "Trace", "sd",
        "Sharpness", "sd", "Rows", "Radius",
    )  # fmt: skip
    lines = tuple(
        (
            row.method + (" (stand-in data)" if row.stand_in else ""),
            row.dataset,
            row.fusion,
            row.block,
            _number(row.n, "d"),
            _number(row.eigenvalue, ".3g"),
            _number(row.eigenvalue_sd, ".2g"),
            _number(row.trace, ".3g"),
            _number(row.trace_sd, ".2g"),
            _number(row.sharpness, ".3g"),
            _number(row.sharpness_sd, ".2g"),
            f"{row.samples} of {row.split}",
            _number(row.rho, ".3g"),
        )
        for row in rows
    )
    table = StudyTable("sharpness", "Sharpness", ABOUT, "sharpness.csv", columns, lines)
    return [table] if rows else []


def _number(value: float, form: str) -> Number:
    return Number(value, "" if math.isnan(value) else format(value, form))
