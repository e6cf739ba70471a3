"""What the published AV-MNIST most probably is: the same small networks under every pairing.

The archive that the published numbers were measured on is not available, but its accuracies are. So
the data is rebuilt in every way in which it may have been made, and the way that gives those
accuracies is the most probable one.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from benchmarks.configs.schema import Config
from benchmarks.plan import workspace
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import experiment_values
from benchmarks.records.evidence import fingerprint_of
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.report import statistics
from benchmarks.report.tables.paper import load_paper

DATASET = "avmnist"
PROFILE = "forensics"
ENCODER = "small_cnn"  # of the recorded runs; its spectrograms are not averaged


@dataclass(frozen=True)
class Number:
    """An accuracy of the table: of which run of a case, and where Table 1 has the paper's."""

    name: str
    run: str
    metric: str
    paper_row: str
    paper_metric: str


NUMBERS = (
    Number("audio alone", "audio", "acc_mm", "Single-audio", "acc_audio"),
    Number("visual alone", "visual", "acc_mm", "Single-visual", "acc_visual"),
    Number("joint audio", "joint", "acc_audio", "Joint-Train", "acc_audio"),
    Number("joint visual", "joint", "acc_visual", "Joint-Train", "acc_visual"),
    Number("joint fused", "joint", "acc_mm", "Joint-Train", "acc_mm"),
)


class Share(NamedTuple):
    """Of the training rows, fractions: those that keep their recording, and a right digit's."""

    in_place: float
    same_label: float


Shares = Mapping[str, Share]  # by pairing


@dataclass(frozen=True)
class RunOptions:
    """What one run of a case sees: its modalities (empty for all), and options of the data."""

    modalities: tuple[str, ...]
    options: Mapping[str, object]


@dataclass(frozen=True)
class Case:
    """One way in which the archive may have been made."""

    pairing: str
    components: int

    @property
    def runs(self) -> dict[str, RunOptions]:
        """The runs behind a row, by name.

        A modality alone does not see the pairing or components of the other. They are left at
        their default, so that rows share runs.
        """
        pairing: dict[str, object] = {"pairing": self.pairing}
        components: dict[str, object] = {"components": self.components}
        return {
            "audio": RunOptions(("audio",), pairing),
            "visual": RunOptions(("visual",), components),
            "joint": RunOptions((), pairing | components),
        }


CASES = (
    Case("aligned", 3),
    Case("scrambled", 3),
    Case("aligned", 4),
    *(Case(f"scrambled_{percent}", 4) for percent in (1, 2, 3)),
    Case("scrambled", 4),
    *(Case(f"scrambled_{percent}", 4) for percent in (10, 20)),
)


Key = tuple[str, int]  # cell and seed: the same for every preparation of the data


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
    """The runs of a case; on which data is left open."""
    made = {}
    for name, run in case.runs.items():
        names = {"dataset": DATASET, "fusion": "late", "method": "joint_train", "seed": seed}
        names["modalities"] = run.modalities
        changes = {"encoder": ENCODER, **run.options}
        values = experiment_values(config, config.profiles[PROFILE], names, changes)
        made[name] = Experiment.from_dict(values)
    return made


def drafts(config: Config, seeds: int) -> list[Experiment]:
    """Every run behind the table, as often as rows share it; on which data is left open."""
    runs = [_drafts(config, case, seed) for case in CASES for seed in range(seeds)]
    return [experiment for named in runs for experiment in named.values()]


def rows(config: Config, records: Iterable[RunRecord], shares: Shares, seeds: int) -> list[Row]:
    """One row per case from the records, then the paper's; the data need not be there.

    Raises ValueError, naming the runs, if those of one cell saw different preparations of the data.
    """
    known = chosen(records, drafts(config, seeds))
    table = []
    for case in CASES:
        planned = [_drafts(config, case, seed) for seed in range(seeds)]
        found = [_found(runs, known) for runs in planned]
        table.append(_row(case, found, Share(*shares[case.pairing])))
    paper = load_paper("table1")
    values = tuple(paper[n.paper_row, f"{DATASET}:{n.paper_metric}"] for n in NUMBERS)
    return [*table, Row("paper, Table 1", math.nan, math.nan, values, 0)]


def _found(
    planned: Mapping[str, Experiment], records: Mapping[Key, RunRecord]
) -> dict[str, RunRecord]:
    """The records of one case and seed, by the run's name."""
    return {name: records[_key(e)] for name, e in planned.items() if _key(e) in records}


def _row(case: Case, found: Sequence[Mapping[str, RunRecord]], share: Share) -> Row:
    """The row of a case from its records of each seed."""
    done = [[run for run in runs.values() if run.status == "done"] for runs in found]
    return Row(
        case=f"{case.components} components, {case.pairing}",
        in_place=100 * share.in_place,
        same_label=100 * share.same_label,
        values=tuple(_mean(found, number) for number in NUMBERS),
        seeds=sum(len(runs) == len(case.runs) for runs in done),
        run_ids=tuple(sorted({run.run_id for runs in found for run in runs.values()})),
    )


def _mean(found: Sequence[Mapping[str, RunRecord]], number: Number) -> float:
    """Mean over the seeds at the last epoch, percent."""
    runs = [runs[number.run] for runs in found if number.run in runs]
    done = [run for run in runs if run.status == "done"]
    return statistics.mean([100 * run.history[-1]["test"][number.metric] for run in done])


def csv_lines(table: Sequence[Row]) -> list[list[object]]:
    """The table as the lines of a CSV file."""
    header = ["case", "in_place", "same_label", *(n.name.replace(" ", "_") for n in NUMBERS)]
    lines: list[list[object]] = [[*header, "seeds", "run_ids"]]
    for row in table:
        numbers = (row.in_place, row.same_label, *row.values)
        lines.append([row.case, *map(_printed, numbers), row.seeds, " ".join(row.run_ids)])
    return lines


def markdown(table: Sequence[Row]) -> str:
    """The table for people."""
    names = [number.name for number in NUMBERS]
    headers = ["AV-MNIST rebuilt with", "in place", "right digit", *names]
    lines = [
        [row.case, *map(_printed, (row.in_place, row.same_label, *row.values))] for row in table
    ]
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align) + "\n"


def is_prepared(config: Config) -> bool:
    """Whether the real data is prepared."""
    return workspace.data_states(config, config.profiles[PROFILE])[DATASET].fingerprint is not None


def shares(config: Config) -> Shares:
    """The shares of every pairing in the prepared data."""
    from datasets.avmnist.loader import AvMnist

    folder: Path = workspace.prepared_folder(DATASET, config.profiles[PROFILE].stand_in)
    return {c.pairing: Share(*AvMnist().train_shares(folder, c.pairing)) for c in CASES}


def _printed(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def chosen(records: Iterable[RunRecord], planned: Iterable[Experiment]) -> dict[Key, RunRecord]:
    """The records of the planned runs, whichever preparation of the data they saw.

    Raises ValueError, naming the runs, if those of one cell saw different preparations of the data.
    """
    wanted = {_key(experiment) for experiment in planned}
    found = {r.run_id: r for r in records if _key(r.experiment) in wanted}
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for run_id, record in found.items():
        cells[record.experiment.cell_id][run_id] = fingerprint_of(record)
    if mixed := [seen for seen in cells.values() if len(set(seen.values())) > 1]:
        lines = [", ".join(f"{run} ({seen[run][:10]})" for run in sorted(seen)) for seen in mixed]
        raise ValueError(
            "\n  ".join(
                [
                    "runs of one cell saw different data; keep the runs of one preparation only:",
                    *lines,
                ]
            )
        )
    return {_key(record.experiment): record for record in found.values()}


def lost(
    planned: Iterable[Experiment], records: Iterable[RunRecord], left_out: Iterable[LeftOut]
) -> list[str]:
    """The names of files without a record that may have held one of a planned run.

    Without the data the hash in a run's name is not known, so what precedes it must match.
    """
    known = {_key(record.experiment) for record in records}
    absent = {_prefix(e.run_id) for e in planned if _key(e) not in known}
    return [each.name for each in left_out if _prefix(each.name) in absent]


def load_shares(path: Path, pairings: Iterable[str]) -> Shares:
    """The two shares of each pairing; ValueError names the file and what it lacks."""
    again = "./reproduce.sh forensics writes it where the data is prepared"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a JSON file: {error}; {again}") from error
    known = content if isinstance(content, dict) else {}
    if lacking := [name for name in dict.fromkeys(pairings) if not _is_pair(known.get(name))]:
        names = ", ".join(lacking)
        raise ValueError(f"{path} lacks two fractions from 0 to 1 for {names}; {again}")
    return {name: Share(*pair) for name, pair in known.items() if _is_pair(pair)}


def _key(experiment: Experiment) -> Key:
    return experiment.cell_id, experiment.seed


def _prefix(run_id: str) -> str:
    return run_id.rpartition("-")[0]


def _is_pair(value: object) -> bool:
    numbers = value if isinstance(value, list) and len(value) == 2 else [None]
    return all(type(number) in (int, float) and 0 <= number <= 1 for number in numbers)  # type: ignore[operator]
