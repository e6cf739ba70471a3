"""What the table of `forensics` is made from, as it lies in a folder. Free of torch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.plan.experiment import Experiment
from benchmarks.records.evidence import fingerprint_of
from benchmarks.records.record import LeftOut, RunRecord

Key = tuple[str, int]  # cell and seed: the same for every preparation of the data


def chosen(records: Iterable[RunRecord], planned: Iterable[Experiment]) -> dict[Key, RunRecord]:
    """The records of the planned runs, on whatever data.

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
            "\n  ".join(["runs of one cell saw different data; keep those of one:", *lines])
        )
    return {_key(record.experiment): record for record in found.values()}


def lost(
    planned: Iterable[Experiment], records: Iterable[RunRecord], left_out: Iterable[LeftOut]
) -> list[str]:
    """The names of files without a record that may have held one of a planned run.

    Without the data the hash in a run's name is not known: what precedes it has to do.
    """
    known = {_key(record.experiment) for record in records}
    absent = {_prefix(e.run_id) for e in planned if _key(e) not in known}
    return [each.name for each in left_out if _prefix(each.name) in absent]


def load_shares(path: Path, pairings: Iterable[str]) -> Mapping[str, tuple[float, float]]:
    """The two shares of each pairing; ValueError names the file and what it lacks."""
    again = "./reproduce.sh forensics writes it where the data is prepared"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}; {again}") from error
    known = content if isinstance(content, dict) else {}
    if lacking := [name for name in dict.fromkeys(pairings) if not _is_pair(known.get(name))]:
        names = ", ".join(lacking)
        raise ValueError(f"{path} lacks two fractions from 0 to 1 for {names}; {again}")
    return known


def _key(experiment: Experiment) -> Key:
    return experiment.cell_id, experiment.seed


def _prefix(run_id: str) -> str:
    return run_id.rpartition("-")[0]


def _is_pair(value: object) -> bool:
    numbers = value if isinstance(value, list) and len(value) == 2 else [None]
    return all(type(number) in (int, float) and 0 <= number <= 1 for number in numbers)
