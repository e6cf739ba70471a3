"""How far the verdicts can be trusted: the verb `calibrate`, and what a plan can show, in words."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterable, Sequence
from statistics import fmean

import numpy as np

from benchmarks.cli.session import Say
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.records.files import csv_text, write_text
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.rules.power import Plan, power
from benchmarks.report.tables.paper import load_paper, test_sets

UNKNOWN_SPREADS = (0.3, 0.8, 1.5)  # points over seeds, where no record says how large they are
SUITES = ("table1", "table2")


def calibrate(arguments: Namespace, say: Say) -> int:
    """How often the verdicts are wrong, on simulated runs; exit status 1 if the collector gives
    other verdicts than the rules."""
    from benchmarks.studies.calibration import collector
    from benchmarks.studies.calibration.study import SEEDS, SPREADS, csv_lines, markdown, run_study

    if arguments.columns < 10:
        raise ValueError(f"--columns is {arguments.columns}; it must be at least 10")
    study = run_study(arguments.columns, spreads=SPREADS, seeds=SEEDS)
    passed = collector.pass_through(max(1, arguments.columns // 200), SPREADS, SEEDS)
    text = f"{markdown(study)}\n{collector.markdown(passed)}"
    out = arguments.out or workspace.ROOT / "results" / "calibration"
    write_text(out / "calibration.md", f"# How often the verdicts are wrong\n\n{text}")
    write_text(out / "calibration.csv", csv_text(csv_lines(study.rates)))
    say(f"{text}\nWritten: {out / 'calibration.md'} and .csv")
    return 1 if any(each.others for each in passed) else 0


def power_lines(planned: Sequence[Experiment], records: Iterable[RunRecord]) -> list[str]:
    """A line per dataset of the plan: how often its verdicts on fused accuracy will be right.

    The spread over seeds is that of the `records` with the same dataset and number of epochs. Where
    there are none, the line is made for UNKNOWN_SPREADS. Nothing for generated data or one seed,
    which get no verdict.
    """
    lines = []
    done = [record for record in records if record.status == "done" and not record.stand_in]
    for dataset in dict.fromkeys(e.dataset for e in planned if not e.data.get("stand_in")):
        ours = [e for e in planned if e.dataset == dataset]
        seeds = len({e.seed for e in ours})
        numbers = _printed(dataset)
        if seeds < 2 or not numbers:
            continue
        alike = [r for r in done if r.experiment.dataset == dataset]
        alike = [r for r in alike if r.experiment.epochs == ours[0].epochs]
        spread = _spread(alike)
        sizes = [r.data.get("sizes", {}).get("test") for r in alike]
        samples = next(filter(None, sizes), test_sets()[dataset])
        for sd in (spread,) if spread else UNKNOWN_SPREADS:
            plan = Plan(seeds, sd, fmean(numbers), samples, test_sets()[dataset])
            of = "of the records" if spread else "if that is the spread, which no record says"
            lines.append(
                f"power on {dataset}, {seeds} seeds, sd {sd:.2f} points ({of}): "
                f"{power(plan).sentence}"
            )
    return lines


def _printed(dataset: str) -> list[float]:
    """The paper's fused accuracies."""
    return [
        value
        for suite in SUITES
        for (_, column), value in load_paper(suite).items()
        if column == f"{dataset}:acc_mm"
    ]


def _spread(records: Iterable[RunRecord]) -> float:
    """Pooled standard deviation over the seeds of every cell, in points; 0 where it is unknown."""
    cells: dict[tuple[str, str], list[float]] = {}
    for record in records:
        key = record.experiment.cell_id, str(record.data.get("fingerprint"))
        fused = choose("val-best", record.history)["test"].get("acc_mm", math.nan)
        cells.setdefault(key, []).append(100 * fused)
    several = [values for values in cells.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    squares = sum(float(np.var(values, ddof=1)) * (len(values) - 1) for values in several)
    return math.sqrt(squares / freedom) if freedom else 0.0
