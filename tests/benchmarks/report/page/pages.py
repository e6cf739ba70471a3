"""A results folder and its page, as the tests of the page see them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.report.figures.write import make_figures, write_figures
from benchmarks.report.page.write import Contents, write_page
from benchmarks.report.tables.study import StudyTable
from benchmarks.report.write import write_report
from tests.benchmarks.report.builders import CONFIG, READY, cell_of, epoch, plan, record, request_of

CELLS = plan(avmnist=READY)
HOSTILE = '</script><img src=x onerror="alert(1)">'
MACHINE = {"device": "device A", "commit": "0123456789abcdef", "modified": True, "torch": "2.11.0"}
ROWS = ("Joint-Train", "SAM", "M-SAM")


def run(row: str, seed: int, percent: float, **words: Any) -> RunRecord:
    """A run of three epochs: the best on val is the second, on test the third."""
    tested = [percent - 20, percent, percent + (10 if row == "SAM" else 4)]
    history = [
        epoch(number, val, {f"acc_{m}": value / 100 for m in ("audio", "visual", "mm")})
        for number, (val, value) in enumerate(zip((0.4, 0.6, 0.5), tested, strict=True), 1)
    ]
    made = record(cell_of(CELLS, row), seed, history=history, **words)
    timing = {"seconds": 90.0, "epoch_seconds": [30.0] * 3, "finished": "2026-01-01T00:00:00Z"}
    return replace(made, environment=MACHINE, timing=timing)


def records(stand_in: bool = False) -> list[RunRecord]:
    """Finished runs of three rows, and a failed one."""
    made = [
        run(row, seed, 60.0 + 3 * number + seed / 2, stand_in=stand_in)
        for number, row in enumerate(ROWS)
        for seed in range(3)
    ]
    return [*made, run("AGM", 0, 50.0, status="failed", reason=HOSTILE, stand_in=stand_in)]


def page(
    out: Path,
    runs: Sequence[RunRecord],
    unreadable: Sequence[LeftOut] = (),
    figures: Sequence[str] = (),
    studies: Sequence[StudyTable] = (),
) -> Path:
    """Writes the report of these runs into `out`, with the figures named; returns the page."""
    suites = {"table1": CELLS}
    report = write_report(request_of(suites, runs, unreadable=unreadable), out / "tables")
    made = make_figures(CONFIG, "paper", suites, runs)
    drawn = write_figures([f for f in made if f.name in figures], out / "figures")
    contents = Contents(CONFIG, "paper", "val-best", report, runs, drawn, studies)
    return write_page(contents, out / "r.html")


def data_of(html: str) -> dict[str, Any]:
    """The runs that the page carries for its script."""
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html)[1])
