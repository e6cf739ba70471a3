"""What `tune` writes for people and programs. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tabulate import tabulate

from benchmarks.config_schema import Config
from benchmarks.report.tables import number
from benchmarks.tuning import Outcome, Trial

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
