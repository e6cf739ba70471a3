"""What the published AV-MNIST most probably is: the same small networks under every pairing.

The archive that the published numbers were measured on is not at hand. Its accuracies are: so the
data is rebuilt in every way in which it may have been made, and the way that gives those accuracies
is the most probable one. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tabulate import tabulate

from benchmarks.configs.schema import Config
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import experiment_values
from benchmarks.records.record import RunRecord
from benchmarks.report import statistics
from benchmarks.report.tables.paper import load_paper
from benchmarks.studies.forensics import archive

DATASET = "avmnist"
PROFILE = "pilot"
NUMBERS = ("audio alone", "visual alone", "joint audio", "joint visual", "joint fused")
PAPER = (
    ("Single-audio", "acc_audio"),
    ("Single-visual", "acc_visual"),
    ("Joint-Train", "acc_audio"),
    ("Joint-Train", "acc_visual"),
    ("Joint-Train", "acc_mm"),
)
"""Row and metric of Table 1 for each of NUMBERS."""

Shares = Mapping[str, tuple[float, float]]
"""{pairing: (rows in place, rows of the right digit)}, fractions of the training rows."""


@dataclass(frozen=True)
class Case:
    """One way in which the archive may have been made."""

    pairing: str
    components: int

    @property
    def runs(self) -> dict[str, tuple[tuple[str, ...], dict[str, object]]]:
        """Modalities and options of the runs behind a row. What a modality alone does not see, the
        other's pairing or components, is left at its default, so that rows share runs."""
        pairing, components = {"pairing": self.pairing}, {"components": self.components}
        return {
            "audio": (("audio",), pairing),
            "visual": (("visual",), components),
            "joint": ((), pairing | components),
        }


CASES = (
    Case("aligned", 3),
    Case("scrambled", 3),
    Case("aligned", 4),
    *(Case(f"scrambled_{percent}", 4) for percent in (1, 2, 3)),
    Case("scrambled", 4),
    *(Case(f"scrambled_{percent}", 4) for percent in (10, 20)),
)


@dataclass(frozen=True)
class Row:
    """Test accuracies in percent, means over the seeds, in the order of NUMBERS; NaN if missing.

    `in_place` and `same_label` are shares of the training rows, in percent; `seeds` counts those
    of which every run is done.
    """

    case: str
    in_place: float
    same_label: float
    values: tuple[float, ...]
    seeds: int
    run_ids: tuple[str, ...] = ()


def experiments(config: Config, case: Case, seed: int) -> dict[str, Experiment]:
    """The runs of a case; raises DataError, with what to type, if the data is not prepared."""
    drafts = _drafts(config, case, seed)
    return {name: workspace.with_fingerprint(draft) for name, draft in drafts.items()}


def _drafts(config: Config, case: Case, seed: int) -> dict[str, Experiment]:
    """The runs of a case on whatever data."""
    made = {}
    for name, (modalities, changes) in case.runs.items():
        names = dict(dataset=DATASET, fusion="late", method="joint_train", seed=seed)
        profile = config.profiles[PROFILE]
        values = experiment_values(config, profile, {**names, "modalities": modalities}, changes)
        made[name] = Experiment.from_dict(values)
    return made


def drafts(config: Config, seeds: int) -> list[Experiment]:
    """Every run behind the table on whatever data, as often as rows share it."""
    runs = [_drafts(config, case, seed) for case in CASES for seed in range(seeds)]
    return [experiment for named in runs for experiment in named.values()]


def rows(config: Config, records: Iterable[RunRecord], shares: Shares, seeds: int) -> list[Row]:
    """One row per case from the records; then the paper's. Free of the data.

    Raises ValueError, naming the runs, if those of one cell saw different preparations of the data.
    """
    known = archive.chosen(records, drafts(config, seeds))
    table = [_row(config, case, known, shares[case.pairing], seeds) for case in CASES]
    paper = load_paper("table1")
    values = tuple(paper[row, f"{DATASET}:{metric}"] for row, metric in PAPER)
    return [*table, Row("paper, Table 1", math.nan, math.nan, values, 0)]


def _row(
    config: Config,
    case: Case,
    records: Mapping[tuple[str, int], RunRecord],
    shares: tuple[float, float],
    seeds: int,
) -> Row:
    planned = [_drafts(config, case, seed) for seed in range(seeds)]
    found = [
        {name: records[key] for name, e in runs.items() if (key := (e.cell_id, e.seed)) in records}
        for runs in planned
    ]
    pick = partial(_mean, found)
    values = (
        pick("audio", "acc_mm"),
        pick("visual", "acc_mm"),
        pick("joint", "acc_audio"),
        pick("joint", "acc_visual"),
        pick("joint", "acc_mm"),
    )
    ids = tuple(sorted({r.run_id for runs in found for r in runs.values()}))
    done = [[r for r in runs.values() if r.status == "done"] for runs in found]
    complete = sum(len(runs) == len(case.runs) for runs in done)
    label = f"{case.components} components, {case.pairing}"
    return Row(label, *(100 * share for share in shares), values, complete, ids)


def _mean(found: Sequence[Mapping[str, RunRecord]], name: str, metric: str) -> float:
    """Mean over the seeds at the last epoch, percent."""
    runs = [runs[name] for runs in found if name in runs and runs[name].status == "done"]
    return statistics.mean([100 * run.history[-1]["test"][metric] for run in runs])


def csv_lines(table: Sequence[Row]) -> list[list[object]]:
    """The table as the lines of a CSV file."""
    header = ["case", "in_place", "same_label", *(n.replace(" ", "_") for n in NUMBERS)]
    lines: list[list[object]] = [[*header, "seeds", "run_ids"]]
    for row in table:
        numbers = (row.in_place, row.same_label, *row.values)
        lines.append([row.case, *map(_printed, numbers), row.seeds, " ".join(row.run_ids)])
    return lines


def markdown(table: Sequence[Row]) -> str:
    """The table for people."""
    headers = ["AV-MNIST rebuilt with", "in place", "right digit", *NUMBERS]
    lines = [
        [row.case, *map(_printed, (row.in_place, row.same_label, *row.values))] for row in table
    ]
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align) + "\n"


def is_prepared(config: Config) -> bool:
    """Whether the real data is."""
    return workspace.data_states(config, config.profiles[PROFILE])[DATASET].fingerprint is not None


def shares(config: Config) -> Shares:
    """Of the prepared data."""
    from datasets.avmnist.loader import AvMnist

    folder: Path = workspace.prepared_folder(DATASET, config.profiles[PROFILE].stand_in)
    return {case.pairing: AvMnist().train_shares(folder, case.pairing) for case in CASES}


def _printed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
