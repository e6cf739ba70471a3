"""How many samples a run trains on and evaluates, without loading them. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.experiment import Experiment
from benchmarks.workspace import loader_options, prepared_folder
from datasets import registry
from datasets.split_sizes import split_sizes


@dataclass(frozen=True)
class Sizes:
    """Samples that an epoch trains on, that it encodes to evaluate, and predictions it makes.

    `evaluated` counts, for each modality of the run, the different samples of `val` and `test`
    together, at most; `predictions` those of one output on `test`, one per segment.
    """

    train: int
    evaluated: Mapping[str, int]
    predictions: int


def prepared_sizes(experiment: Experiment) -> Sizes:
    """As the prepared folder says; DataError if it is missing or does not."""
    folder = prepared_folder(experiment.dataset, bool(experiment.data.get("stand_in")))
    splits = split_sizes(experiment.dataset, folder, loader_options(experiment.data))
    spec = registry.spec(experiment.dataset)
    evaluated = {
        m: sum(splits[s].distinct.get(m, splits[s].samples) for s in ("val", "test"))
        for m in experiment.modalities or spec.modalities
    }
    train = splits["train"].samples
    train = min(train, experiment.train_samples or train)
    return Sizes(train, evaluated, splits["test"].samples * spec.segments)
