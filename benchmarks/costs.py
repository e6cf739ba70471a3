"""What a plan will cost, from the figures that `bench` measured. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.experiment import Experiment
from benchmarks.record import RunRecord
from benchmarks.words import counted
from benchmarks.workspace import ROOT, prepared_folder
from datasets.errors import DataError
from datasets.manifest import read_manifest

FOLDER = ROOT / "results" / "bench"
RECORD_BYTES, EPOCH_BYTES = 2500, 800  # of a record, and of an epoch in it
EVALUATION = "evaluation"  # the row of `bench` that times it
KEPT_EPOCHS = 3  # whose predictions are stored: one for each rule of selection at most

Key = tuple[str, str, str, str]  # dataset, encoder, fusion, method


@dataclass(frozen=True)
class Sizes:
    """Samples that an epoch trains on, that it evaluates, and that predictions are stored of."""

    train: int
    evaluated: int
    test: int


@dataclass(frozen=True)
class Figures:
    """Seconds per sample of a step, peak MiB of a step, and where they were measured."""

    seconds: Mapping[Key, float] = field(default_factory=dict)
    memory: Mapping[Key, float] = field(default_factory=dict)
    machine: str = ""


def load_figures(folder: Path = FOLDER) -> Figures:
    """What `bench` wrote; empty without it. Raises ValueError if a file cannot be read."""
    steps = [_read(path) for path in sorted(folder.glob("steps*.json"))]
    rows = [row for content in steps for row in content["rows"] if "data" in row]
    peaks = _read(folder / "memory.json")["rows"] if (folder / "memory.json").exists() else []
    machines = {_machine(content["environment"]) for content in steps}
    return Figures(
        {_key(row): row["seconds per step"] / row["batch"] for row in rows},
        {_key(row): row["peak MiB"] for row in peaks},
        " and ".join(sorted(machines)),
    )


def prepared_sizes(experiment: Experiment) -> Sizes | None:
    """As the prepared folder says; None if it does not."""
    try:
        manifest = read_manifest(
            prepared_folder(experiment.dataset, bool(experiment.data.get("stand_in")))
        )
    except DataError:
        return None
    rows = manifest.facts.get("rows") if manifest else None
    if not isinstance(rows, Mapping) or not {"train", "test"} <= set(rows):
        return None
    val = int(manifest.facts.get("val_rows", 0))
    train = min(int(rows["train"]) - val, experiment.train_samples or int(rows["train"]))
    return Sizes(train, int(rows["test"]) + val + int(rows.get("val", 0)), int(rows["test"]))


def run_seconds(experiment: Experiment, figures: Figures, sizes: Sizes | None) -> float | None:
    """Training and evaluation of all epochs; None without a figure.

    Step times grow with the batch, so that seconds per sample hold for other batch sizes. A dataset
    that stores each distinct sample once is evaluated faster than this says.
    """
    row = " ".join((experiment.method, *experiment.modalities))
    where = experiment.dataset, experiment.encoder, experiment.fusion
    step, evaluation = figures.seconds.get((*where, row)), figures.seconds.get((*where, EVALUATION))
    if step is None or evaluation is None or sizes is None:
        return None
    trained = sizes.train // experiment.batch_size * experiment.batch_size
    return experiment.epochs * (trained * step + sizes.evaluated * evaluation)


def run_bytes(experiment: Experiment, sizes: Sizes | None) -> int:
    """Record and predictions on disk, at most: what is stored is compressed."""
    outputs = 1 + (len(experiment.modalities) or 3)
    stored = min(KEPT_EPOCHS, experiment.epochs) * outputs + 1
    predictions = 2 * stored * sizes.test if sizes else 0
    return RECORD_BYTES + EPOCH_BYTES * experiment.epochs + predictions


def plan_lines(
    missing: Sequence[Experiment],
    figures: Figures,
    size_of: Callable[[Experiment], Sizes | None] = prepared_sizes,
) -> list[str]:
    """Hours, memory and disk of the missing runs, and where the figures come from."""
    sizes = [size_of(e) for e in missing]
    disk = sum(run_bytes(e, s) for e, s in zip(missing, sizes, strict=True))
    space = f"disk: {disk / 1e6:.1f} MB at most"
    if not figures.seconds:
        return ["time and memory: no figures; ./reproduce.sh bench measures this machine", space]
    times = [run_seconds(e, figures, s) for e, s in zip(missing, sizes, strict=True)]
    known = [t for t in times if t is not None]
    lines = [f"time: {sum(known) / 3600:.2f} h for {len(known)} runs, one after the other"]
    if len(known) < len(times):
        lines.append(f"time of {len(times) - len(known)} runs: no figure for their network")
    peaks = [figures.memory.get(_of(e)) for e in missing]
    largest = max((p for p in peaks if p is not None), default=None)
    lines.append("memory: no figure" if largest is None else f"memory: {largest:.0f} MiB a run")
    return [*lines, space, f"figures measured on {figures.machine}"]


def reality_line(
    records: Iterable[RunRecord],
    figures: Figures,
    size_of: Callable[[Experiment], Sizes | None] = prepared_sizes,
) -> str | None:
    """Estimated against measured hours of the runs that have both; None if there is none."""
    pairs = [
        (run_seconds(r.experiment, figures, size_of(r.experiment)), r.timing.get("seconds"))
        for r in records
        if r.status == "done"
    ]
    both = [(guess, real) for guess, real in pairs if guess and real]
    if not both:
        return None
    guess, real = (sum(column) for column in zip(*both, strict=True))
    return (
        f"{counted(len(both), 'run')} took {real / 3600:.3f} h; "
        f"estimated were {guess / 3600:.3f} h ({guess / real:.2f} of it), "
        f"from figures measured on {figures.machine}"
    )


def _of(experiment: Experiment) -> Key:
    return experiment.dataset, experiment.encoder, experiment.fusion, experiment.method


def _key(row: Mapping[str, Any]) -> Key:
    return row["data"], row["encoder"], row["fusion"], row["method"]


def _machine(environment: Mapping[str, Any]) -> str:
    return f"{environment['device']} ({environment['threads']} threads)"


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"rows": content["rows"], "environment": content["environment"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no table of bench: {error}; measure again") from error
