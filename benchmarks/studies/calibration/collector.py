"""Simulated runs through the real collector: do records get the verdicts that the rules give?

The rates of `study.py` are those of the rules, on many columns at once. Here the same runs become
records and predictions, and the report judges them as it judges real ones. Every verdict must be
the one that the rules give; a reader may then trust the rates for the whole way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tabulate import tabulate

from benchmarks.configs.load import load_config
from benchmarks.configs.schema import Config
from benchmarks.exit_status import Exit
from benchmarks.plan.suites import Cell, DataState, plan_suite
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord
from benchmarks.report.comparison import exit_status
from benchmarks.report.rules import cell as rules
from benchmarks.report.tables.paper import column_name, test_sets
from benchmarks.report.tables.verdict import COMPARED, DIFFERS, REPRODUCED
from benchmarks.report.write import Request, make_tables
from benchmarks.studies.calibration.world import DATASETS, Dataset, World

SUITE, PROFILE, METRIC = "table1", "paper", "acc_mm"
CODE = {"method": "simulated", "shared": "simulated", "data": "simulated"}


@dataclass(frozen=True)
class Passed:
    """The tables of equal cells with one spread and number of seeds that went through.

    `others` counts the cells whose verdict is not the one that the rules give, `differs` those
    with that verdict, `tested` the paired tests, `significant` those after Holm, and `status_1` the
    tables for which `compare` ends with exit status 1.
    """

    spread: float
    seeds: int
    tables: int
    cells: int
    others: int
    differs: int
    reproduced: int
    tested: int
    significant: int
    status_1: int


class _Simulated(Predictions):
    """Predictions in memory: class 0 where a segment is right, another one elsewhere.

    Seeds that are right on the same samples are wrong in different ways, as real ones are: they
    must not look like copies.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.counts: dict[str, np.ndarray] = {}

    def arrays(self, record: RunRecord) -> Mapping[str, np.ndarray]:
        segments = record.data["segments"]
        right = np.arange(segments) < self.counts[record.run_id][:, None]
        predicted = np.where(right, 0, 1 + record.experiment.seed).astype(np.int16).ravel()
        return {"labels": np.zeros_like(predicted), "epoch1_mm": predicted}


def pass_through(
    tables: int, spreads: Sequence[float], seeds: Sequence[int], seed: int = 0
) -> list[Passed]:
    """Sends so many tables through the report for every spread and number of seeds."""
    generator = np.random.default_rng(seed)
    config = load_config()
    return [
        _passed([_table(config, spread, n, generator) for _ in range(tables)], spread, n)
        for spread in spreads
        for n in seeds
    ]


def _passed(found: Sequence[Passed], spread: float, seeds: int) -> Passed:
    names = ("tables", "cells", "others", "differs", "reproduced", "tested", "significant")
    sums = {name: sum(getattr(each, name) for each in found) for name in (*names, "status_1")}
    return Passed(spread, seeds, **sums)


def _table(config: Config, spread: float, seeds: int, generator: np.random.Generator) -> Passed:
    """One table of equal cells: the fused numbers of every method on every dataset."""
    profile = replace(config.profiles[PROFILE], seeds=seeds)
    config = replace(config, profiles={**config.profiles, PROFILE: profile})
    states = {name: DataState("simulated") for name in config.datasets}
    cells = [c for c in plan_suite(config, SUITE, profile, states) if not c.row.modalities]
    stored, records, printed, wanted = _Simulated(), [], {}, {}
    for dataset in DATASETS:
        rows = [cell for cell in cells if cell.dataset == dataset.name]
        draw = World(dataset, spread, len(rows), seeds).draw(generator)
        for cell, right, number in zip(rows, draw.right, draw.printed, strict=True):
            place = cell.row.label, column_name(dataset.name, METRIC)
            printed[place] = float(number)
            wanted[place] = _verdict(right, float(number), dataset)
            for n, counts in enumerate(right):
                run = _record(cell, n, counts, dataset)
                stored.counts[run.run_id] = counts
                records.append(run)
    request = Request(config, PROFILE, {SUITE: cells}, records, predictions=stored, printed=printed)
    _, (made,) = make_tables(request)
    entries = [e for e in made.entries if e.metric == METRIC]
    # The other outputs have no number here; a reader sees them as cells without one.
    made = made.only(lambda e: e.metric == METRIC)
    tests = [c for c in made.against_subject.values() if not c.reason]
    return Passed(
        spread,
        seeds,
        tables=1,
        cells=sum(e.verdict in COMPARED for e in entries),
        others=sum(e.verdict != wanted[e.row, e.column] for e in entries),
        differs=sum(e.verdict == DIFFERS for e in entries),
        reproduced=sum(e.verdict == REPRODUCED for e in entries),
        tested=len(tests),
        significant=sum(c.significant for c in tests),
        status_1=exit_status([made]) == Exit.DIFFERS,
    )


def _record(cell: Cell, seed: int, counts: np.ndarray, dataset: Dataset) -> RunRecord:
    experiment = replace(cell.template, seed=seed)
    accuracy = float(counts.sum()) / (dataset.samples * dataset.segments)
    split = {METRIC: accuracy, "loss_mm": 1.0 + seed}
    return RunRecord(
        experiment.run_id,
        experiment,
        "done",
        history=({"epoch": 1, "lr": 0.1, "train": {}, "val": split, "test": split},),
        data={
            "fingerprint": "simulated",
            "sizes": {"test": dataset.samples},
            "segments": dataset.segments,
        },
        code=CODE,
        ended_early=True,
    )


def _verdict(right: np.ndarray, printed: float, dataset: Dataset) -> str:
    """What the rules say of (S, N) right segments, without any record."""
    accuracies = 100 * right.sum(1) / (dataset.samples * dataset.segments)
    mean, sd, seeds = accuracies.mean(), accuracies.std(ddof=1), len(accuracies)
    if rules.equivalence_p(mean - printed, sd, seeds) <= rules.LEVEL:
        return REPRODUCED
    subset = rules.subset_error(mean, test_sets()[dataset.name], dataset.samples)
    needed = rules.smallest_difference(sd, seeds, subset)
    return DIFFERS if abs(mean - printed) > needed else rules.INCONCLUSIVE


def markdown(found: Sequence[Passed]) -> str:
    """The table for people, counts."""
    headers = [
        "spread (points)", "seeds", "tables", "cells", "other verdict than the rules",
        "`differs`", "`reproduced`", "paired tests", "significant after Holm", "exit status 1",
    ]  # fmt: skip
    lines = [
        [p.spread, p.seeds, p.tables, p.cells, p.others, p.differs, p.reproduced, p.tested,
         p.significant, p.status_1]
        for p in found
    ]  # fmt: skip
    text = (
        "## The same through the real collector\n\nRecords and predictions of equal cells, judged "
        "by the report. Counts, not percent."
    )
    return f"{text}\n\n{tabulate(lines, headers, tablefmt='pipe')}\n"
