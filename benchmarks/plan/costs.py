"""What runs will cost, from the figures that `bench` measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.plan.experiment import Experiment
from benchmarks.plan.measurements import Figure, Figures, SampleCounts, key_for, prepared_counts
from benchmarks.plan.networks import part_of
from datasets.errors import DataError

RECORD_BYTES, EPOCH_BYTES = 2500, 800  # of a record, and of an epoch in it
KEPT_EPOCHS = 3  # with stored predictions: at most one for each selection rule
LOGIT_EPOCHS = 2  # with stored logits, see `logit_epochs`

# What the counts do not depend on, so that a folder is read once for all methods and seeds.
UNRELATED = dict.fromkeys(("method", "fusion", "seed", "params", "optim", "encoder", "epochs"))

CountsOf = Callable[[Experiment], SampleCounts]


@dataclass(frozen=True)
class Estimate:
    """What one run costs. `seconds` is None if there is no figure; `lacking` then says why.

    `source` is the machine of the figures. `memory` is MiB at the peak and `disk` bytes at most,
    or None if unknown.
    """

    seconds: float | None
    lacking: str = ""
    source: str = ""
    memory: float | None = None
    disk: int | None = None


def estimates(
    experiments: Sequence[Experiment], figures: Figures, counts_of: CountsOf = prepared_counts
) -> list[Estimate]:
    """What each run will cost on the data as it is prepared."""
    known: dict[str, SampleCounts | DataError] = {}
    found = []
    for experiment in experiments:
        what = json.dumps({**experiment.to_dict(), **UNRELATED}, sort_keys=True)
        if what not in known:
            known[what] = _counts(experiment, counts_of)
        found.append(_estimate(experiment, figures, known[what]))
    return found


def run_seconds(experiment: Experiment, figures: Figures, counts: SampleCounts) -> Figure | None:
    """Training and evaluation of all epochs; None without a figure.

    Step time is taken as proportional to the batch size, so that seconds per sample carry over
    to other batch sizes. Each modality is evaluated on its own, as in training.
    """
    step = figures.seconds.get(key_for(experiment, _row(experiment)))
    passes = [
        (count, figures.seconds.get(key_for(experiment, f"evaluation {m}")))
        for m, count in counts.evaluated.items()
    ]
    if step is None or any(figure is None for _, figure in passes):
        return None
    trained = counts.train // experiment.batch_size * experiment.batch_size
    evaluation = sum(count * figure.value for count, figure in passes if figure)
    return Figure(experiment.epochs * (trained * step.value + evaluation), step.source)


def run_bytes(experiment: Experiment, counts: SampleCounts) -> int:
    """Record and predictions on disk, at most: what is stored is compressed."""
    modalities = len(counts.evaluated)
    outputs, reduced = 1 + modalities, modalities if modalities > 2 else 0
    classes = min(KEPT_EPOCHS, experiment.epochs) * (outputs + reduced) + 1  # and the labels
    logits = min(LOGIT_EPOCHS, experiment.epochs) * outputs * counts.classes
    stored = 2 * (classes + logits) * counts.predictions  # 2 bytes each
    return RECORD_BYTES + EPOCH_BYTES * experiment.epochs + stored


def sources(found: Iterable[Estimate]) -> str:
    """The machines that the figures were measured on."""
    return " and ".join(sorted({estimate.source for estimate in found if estimate.source}))


def _row(experiment: Experiment) -> str:
    """The row of `bench` with the steps of an experiment."""
    return " ".join((experiment.method, *experiment.modalities))


def _counts(experiment: Experiment, counts_of: CountsOf) -> SampleCounts | DataError:
    try:
        return counts_of(experiment)
    except DataError as error:
        if experiment.data.get("stand_in") and experiment.data.get("fingerprint") is None:
            return DataError("no figure before the stand-in data is generated")
        return error


def _estimate(
    experiment: Experiment, figures: Figures, counts: SampleCounts | DataError
) -> Estimate:
    if isinstance(counts, DataError):
        return Estimate(None, str(counts))
    disk = run_bytes(experiment, counts)
    peak = figures.memory.get(key_for(experiment, experiment.method))
    memory = peak.value if peak else None
    time = run_seconds(experiment, figures, counts)
    if time is None:
        return Estimate(None, _lacking(experiment, figures), "", memory, disk)
    return Estimate(time.value, "", time.source, memory, disk)


def _lacking(experiment: Experiment, figures: Figures) -> str:
    """Why there is no figure, and the command that gives one."""
    network = f"{experiment.encoder} on {experiment.dataset}"
    part = part_of(experiment)
    if part is None:
        return f"no part of bench times {network} as these runs train it"
    command = f"run ./reproduce.sh bench --parts {part}"
    if key_for(experiment, _row(experiment)) in figures.seconds:
        return f"{network} was timed by an older version, without its evaluation: {command}"
    if any(key[:3] == key_for(experiment, "")[:3] for key in figures.seconds):
        without = f"{network} was timed without {_row(experiment)}, which may not support it"
        return f"{without}; if it does: {command}"
    if part in figures.outdated:
        return f"{network} was measured by an older version: {command}"
    return f"no figure for {network}: {command}"
