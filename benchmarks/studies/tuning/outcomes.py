"""What the records say of each grid: the value with the highest validation accuracy.

Test data has no part in it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tabulate import tabulate

from benchmarks.configs.schema import Config, Grid
from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import evidence, fingerprint_of
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.wording import number
from benchmarks.studies.tuning.chosen import ChosenValue
from benchmarks.studies.tuning.grid import Search

_WORST_FIRST = ("missing", "failed", "unsupported", "diverged", "done")


@dataclass(frozen=True)
class Trial:
    """One value of a grid, and its runs; `state` is the worst of theirs.

    `accuracy` is a fraction: the fused validation accuracy at its best epoch, mean over the seeds.
    NaN unless every run is done.
    """

    value: float
    state: str
    accuracy: float
    runs: tuple[RunRecord, ...]


@dataclass(frozen=True)
class Outcome:
    """What the records say of a search. `chosen` is None where `reason` says why."""

    search: Search
    trials: tuple[Trial, ...]
    chosen: float | None
    reason: str = ""

    @property
    def at_edge(self) -> bool:
        """Whether a better value may lie outside of the grid."""
        return self.chosen in (self.search.grid.values[0], self.search.grid.values[-1])

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs of the grid that have a record."""
        return tuple(run.run_id for trial in self.trials for run in trial.runs)

    @property
    def chosen_value(self) -> ChosenValue | None:
        """The line of `choices.yaml`."""
        if self.chosen is None:
            return None
        what = self.search.template
        return ChosenValue(
            dataset=what.dataset,
            fusion=what.fusion,
            method=what.method,
            parameter=self.search.grid.parameter,
            value=self.chosen,
            runs=self.run_ids,
        )


def outcomes(planned: Iterable[Search], records: Iterable[RunRecord]) -> list[Outcome]:
    """What the records say of every search that was begun."""
    by_cell: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_cell[record.experiment.cell_id].append(record)
    found = [_outcome(search, by_cell) for search in planned]
    return [outcome for outcome in found if outcome.run_ids]


def best_value(accuracies: Mapping[float, float], published: float) -> float | None:
    """The value with the highest accuracy; of equals `published`, else the first.

    None if no accuracy is a number.
    """
    known = {value: a for value, a in accuracies.items() if not math.isnan(a)}
    equals = [value for value, a in known.items() if a == max(known.values())]
    return published if published in equals else next(iter(equals), None)


def _outcome(search: Search, by_cell: Mapping[str, Sequence[RunRecord]]) -> Outcome:
    trials = tuple(
        _trial(value, cell, by_cell.get(cell.template.cell_id, ()), search.seeds)
        for value, cell in zip(search.grid.values, search.cells, strict=True)
    )
    if reason := _obstacle(search.grid, trials):
        return Outcome(search, trials, None, reason)
    chosen = best_value({trial.value: trial.accuracy for trial in trials}, search.published)
    return Outcome(search, trials, chosen, "every value diverged" if chosen is None else "")


def _trial(value: float, cell: Cell, records: Iterable[RunRecord], seeds: int) -> Trial:
    runs = [r for r in evidence(cell, records).records if r.experiment.seed < seeds]
    states: set[str] = {r.status for r in runs}
    if {r.experiment.seed for r in runs} != set(range(seeds)):
        states.add("missing")
    state = next(s for s in _WORST_FIRST if s in states)
    accuracy = math.nan
    if state == "done":
        accuracy = fmean(choose("val-best", run.history)["val"]["acc_mm"] for run in runs)
    return Trial(value, state, accuracy, tuple(runs))


def _obstacle(grid: Grid, trials: Sequence[Trial]) -> str:
    """Why nothing can be chosen, or nothing; a run that diverged counts as tried."""
    refused = [t for t in trials if t.state == "unsupported"]
    if len(refused) == len(trials):
        return f"unsupported: {_reason(refused[0])}"
    open_ = [t for t in trials if t.state not in ("done", "diverged", "unsupported")]
    if open_:
        listed = ", ".join(f"{grid.parameter}={trial.value} {trial.state}" for trial in open_)
        return f"incomplete: {listed}"
    if refused:  # such as a patience longer than the run: the others cannot be compared with it
        listed = ", ".join(f"{grid.parameter}={trial.value}" for trial in refused)
        return f"these runs cannot try every value ({listed}): {_reason(refused[0])}"
    mixed = len({fingerprint_of(run) for trial in trials for run in trial.runs}) > 1
    return "its runs saw different preparations of the data" if mixed else ""


def _reason(refused: Trial) -> str:
    return next(run.reason for run in refused.runs if run.status == "unsupported")


_COLUMNS = (
    "dataset", "fusion", "method", "parameter", "value", "val_accuracy", "state", "chosen",
    "published", "at_edge", "runs", "stand_in", "run_ids",
)  # fmt: skip


def csv_lines(found: Iterable[Outcome], stand_in: bool) -> list[list[object]]:
    """One line per value; accuracies are percent, `runs` counts those of the whole grid."""
    lines = [_csv_line(outcome, trial, stand_in) for outcome in found for trial in outcome.trials]
    return [list(_COLUMNS), *lines]


def _csv_line(outcome: Outcome, trial: Trial, stand_in: bool) -> list[object]:
    what, is_chosen = outcome.search.template, trial.value == outcome.chosen
    return [
        what.dataset,
        what.fusion,
        what.method,
        outcome.search.grid.parameter,
        trial.value,
        number(100 * trial.accuracy),
        trial.state,
        is_chosen,
        trial.value == outcome.search.published,
        is_chosen and outcome.at_edge,
        len(outcome.run_ids),
        stand_in,
        " ".join(run.run_id for run in trial.runs),
    ]


def markdown(found: Iterable[Outcome], config: Config, stand_in: bool) -> str:
    """One line per grid: every value with its accuracy, and what follows from them."""
    headers = ["dataset", "fusion", "method", "values: accuracy (%)", "chosen", "runs", "note"]
    lines = [_line(outcome, config) for outcome in found]
    warning = "STAND-IN DATA: these choices say nothing about real data.\n\n" if stand_in else ""
    about = (
        "Fused accuracy on the validation data at the best validation epoch; the highest is "
        "chosen, of equals the published value. No test sample was looked at.\n\n"
    )
    grid = tabulate(lines, headers, tablefmt="pipe", disable_numparse=True)
    return f"{warning}{about}{grid}\n"


def _line(outcome: Outcome, config: Config) -> list[object]:
    what, parameter = outcome.search.template, outcome.search.grid.parameter
    values = ", ".join(f"{trial.value:g}: {_shown(trial)}" for trial in outcome.trials)
    if outcome.chosen is None:
        chosen, note = "", outcome.reason
    else:
        usual = outcome.chosen == outcome.search.published
        notes = ["as published"] * usual + ["edge of the grid"] * outcome.at_edge
        chosen, note = f"{parameter}={outcome.chosen:g}", ", ".join(notes)
    dataset, method = config.datasets[what.dataset].label, config.methods[what.method].label
    return [dataset, what.fusion, method, values, chosen, len(outcome.run_ids), note]


def _shown(trial: Trial) -> str:
    return trial.state if math.isnan(trial.accuracy) else f"{100 * trial.accuracy:.2f}"


def open_line(outcome: Outcome) -> str:
    """Names a grid without a choice, and why."""
    return f"no choice for {outcome.search.name}: {outcome.reason}"
