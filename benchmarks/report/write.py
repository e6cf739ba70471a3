"""The report: tables, verdicts, claims and tests from records and stored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.exit_status import Exit
from benchmarks.plan.suites import Cell, chosen
from benchmarks.records.audit import audit
from benchmarks.records.evidence import Evidence, evidence_of
from benchmarks.records.files import write_text
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report.claims.answers import (
    Answer,
    answers,
    claims_frame,
    claims_page,
)
from benchmarks.report.comparison import (
    comparison_frame,
    comparison_text,
    exit_status,
    significance_frame,
    wide_frame,
)
from benchmarks.report.dataframes import write_csv
from benchmarks.report.metrics import metrics_frame, selection_frame
from benchmarks.report.provenance import left_out_frame, left_out_text, runs_frame, unused
from benchmarks.report.tables import latex, markdown, paper
from benchmarks.report.tables.calibration import calibration_frame, calibration_table
from benchmarks.report.tables.contrast import contrast, contrasts, rankings
from benchmarks.report.tables.ensembles import ensembles_frame, ensembles_table
from benchmarks.report.tables.entry import Judged, make_entries
from benchmarks.report.tables.missing import missing_frame, missing_table
from benchmarks.report.tables.paper import PaperTable
from benchmarks.report.tables.study import StudyTable, study_text
from benchmarks.report.tables.table import Table


@dataclass(frozen=True)
class Request:
    """What a report is made from.

    `suites` names the tables, with the cells of each. `records` may hold any runs: those that fill
    no cell are named in `left_out.csv`, as are the `unreadable` ones. `selection` names the rule
    that chooses the epoch which a run reports. `predictions` are those of the runs: without them
    nothing is compared and nothing is tested. `printed` takes the place of the paper's numbers.
    """

    config: Config
    profile_name: str
    suites: Mapping[str, Sequence[Cell]]
    records: Sequence[RunRecord]
    selection: str = "val-best"
    predictions: Predictions = field(default_factory=lambda: Predictions(None))
    unreadable: Sequence[LeftOut] = ()
    printed: PaperTable | None = None

    @property
    def seeds(self) -> int:
        """The planned number of seeds."""
        return self.config.profiles[self.profile_name].seeds


@dataclass(frozen=True)
class Report:
    """What a report says. `pages` holds each suite's table as text.

    `metrics`, `tables` and `claims` are what `files` are written from (none if nothing was
    written), `shown` the tables, or the parts of them, that were asked for. `unused` are the
    records that no table uses, `left_out` names them in a few lines (empty if there are none).
    `studies` are the tables computed from the stored outputs (none if nothing was written).
    """

    pages: Mapping[str, str]
    shown: tuple[Table, ...]
    exit_status: Exit
    metrics: pd.DataFrame
    files: tuple[Path, ...] = ()
    tables: tuple[Table, ...] = ()
    claims: tuple[Answer, ...] = ()
    left_out: str = ""
    unused: tuple[LeftOut, ...] = ()
    studies: tuple[StudyTable, ...] = ()

    def comparison(self, everything: bool = False) -> str:
        """What `compare` shows. The paper's claims are about whole tables: about a part of them,
        they say nothing."""
        claims = self.claims if self.shown == self.tables else ()
        return comparison_text(self.shown, claims, everything)


def write_report(request: Request, out: Path) -> Report:
    """Writes the tables of the suites, the comparison, the claims and their sources into `out`.

    ValueError if `out` holds the paper's own tables, and for an unknown suite or selection rule.
    """
    if out.resolve() == paper.FOLDER.resolve():
        raise ValueError(f"{out} holds the paper's tables as printed; write ours elsewhere")
    report = make_report(request)
    files = [path for table in report.tables for path in _write_table(table, out)]
    comparison = comparison_frame(report.tables)
    frames = {
        "metrics": report.metrics.dropna(subset="value"),
        "comparison": comparison,
        "significance": significance_frame(report.tables),
        "selection": selection_frame(report.metrics, comparison, request.selection),
        "claims": claims_frame(report.claims),
        "left_out": left_out_frame(report.unused),
        "calibration": calibration_frame(report.tables, request.predictions),
        "ensembles": ensembles_frame(report.tables, request.predictions),
        "missing": missing_frame(report.tables, request.predictions),
    }
    files += [write_csv(frame, out / f"{name}.csv") for name, frame in frames.items()]
    files.append(write_csv(runs_frame(report.tables), out / "runs.csv", numbers=None))
    files.append(out / "claims.md")
    write_text(files[-1], claims_page(report.claims))
    studies = [
        *calibration_table(frames["calibration"]),
        *ensembles_table(frames["ensembles"]),
        *missing_table(frames["missing"]),
    ]
    for study in studies:
        files.append(out / f"{study.name}.md")
        write_text(files[-1], study_text(study))
    return replace(report, files=tuple(files), studies=tuple(studies))


def make_report(request: Request) -> Report:
    """The report in memory alone; ValueError for an unknown suite or selection rule."""
    metrics, tables = make_tables(request)
    compare = partial(contrast, predictions=request.predictions, selection=request.selection)
    found = answers(tables, compare)
    left_out = [*request.unreadable, *unused(request.records, request.suites)]
    return Report(
        pages={table.name: markdown.render(table, markdown.TERMINAL) for table in tables},
        shown=tuple(tables),
        exit_status=exit_status(tables),
        metrics=metrics,
        tables=tuple(tables),
        claims=tuple(found),
        left_out=left_out_text(left_out),
        unused=tuple(left_out),
    )


def make_tables(request: Request) -> tuple[pd.DataFrame, list[Table]]:
    """The tidy frame of all values, see `metrics_frame`, and the judged tables made from it."""
    lookup("selection rule", request.selection, RULES)
    config = request.config
    for suite in request.suites:
        lookup("suite", suite, config.suites)
    found = _audited(request)
    metrics = metrics_frame(config, found)
    tables = []
    for suite, evidence in found.items():
        printed = paper.load_paper(suite) if request.printed is None else request.printed
        judged = make_entries(config, Judged(suite, printed, request.seeds), evidence, metrics)
        rows = judged[request.selection], request.predictions, request.selection
        tables.append(
            Table(
                suite,
                config,
                request.profile_name,
                request.selection,
                judged,
                contrasts(*rows),
                rankings(*rows),
            )
        )
    return metrics, tables


def _audited(request: Request) -> dict[str, list[Evidence]]:
    """The evidence of the cells of every suite, checked all together."""
    found = {name: evidence_of(cells, request.records) for name, cells in request.suites.items()}
    every = [each for several in found.values() for each in several]
    checked = iter(
        audit(every, request.predictions, request.selection, request.seeds, request.unreadable)
    )
    return {name: [next(checked) for _ in several] for name, several in found.items()}


def _write_table(table: Table, out: Path) -> list[Path]:
    """Writes `<name>.csv`, `.md` and `.tex`."""
    texts = {"md": markdown.render(table, markdown.MARKDOWN), "tex": latex.render(table)}
    for suffix, text in texts.items():
        write_text(out / f"{table.name}.{suffix}", text)
    path = write_csv(wide_frame(table), out / f"{table.name}.csv")
    return [path, *(out / f"{table.name}.{suffix}" for suffix in texts)]


class NoSuchRow(ValueError):
    """No table has a row of the datasets and methods that were asked for."""


def narrowed(report: Report, datasets: Sequence[str], methods: Sequence[str]) -> Report:
    """The report with texts and exit status of these datasets and methods only; empty means all.

    The paper's claims, which are about whole tables, are left out then. ValueError for an unknown
    word, NoSuchRow if no table has such a row.
    """
    if not (datasets or methods):
        return report
    tables = [
        found for table in report.tables if (found := _part(table, datasets, methods)).entries
    ]
    if not tables:
        raise NoSuchRow(f"no row of a table has {' '.join((*datasets, *methods))}")
    return replace(
        report,
        pages={table.name: markdown.render(table, markdown.TERMINAL) for table in tables},
        shown=tuple(tables),
        exit_status=exit_status(tables),
    )


def _part(table: Table, datasets: Sequence[str], methods: Sequence[str]) -> Table:
    for name in datasets:
        lookup("dataset", name, table.config.datasets)
    for name in methods:
        lookup("method", name, table.config.methods)
    return table.only(lambda e: bool(chosen([e.cell], tuple(datasets), tuple(methods))))
