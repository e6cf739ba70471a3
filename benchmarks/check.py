"""Checks experiments before the first second of training, listing every mistake at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from baselines import METHODS
from benchmarks.experiment import Experiment
from benchmarks.models import ENCODERS
from benchmarks.workspace import loader_options
from datasets import registry
from msam.optim import OptimConfig
from msam.parameters import hyperparameters, nearest, parameter_problems

SETTINGS = ("epochs", "batch_size", "encoder", "train_samples", "precision")


def check(experiments: Sequence[Experiment]) -> None:
    """Raises ValueError, listing every mistake, if some experiment cannot be run."""
    problems = list(dict.fromkeys(p for e in experiments for p in experiment_problems(e)))
    if problems:
        raise ValueError("\n  ".join(["the plan is not runnable:", *problems]))


def experiment_problems(experiment: Experiment) -> list[str]:
    """What is wrong with the encoder, the modalities, the method and its hyperparameters."""
    modalities = registry.spec(experiment.dataset).modalities
    problems = _unknown("encoder", [experiment.encoder], ENCODERS)
    problems += _unknown(f"{experiment.dataset} modality", experiment.modalities, modalities)
    if experiment.train_samples is not None and experiment.train_samples < experiment.batch_size:
        problems.append(
            f"train_samples is {experiment.train_samples}; it must fill at least one batch of "
            f"{experiment.batch_size}"
        )
    if experiment.method not in METHODS:
        return problems + _unknown("method", [experiment.method], METHODS)
    cls = METHODS[experiment.method]
    accepted = hyperparameters(cls)
    settings = [*accepted, *SETTINGS, *(f.name for f in fields(OptimConfig))]
    settings += loader_options(experiment.data)
    problems += _unknown("setting", [n for n in experiment.params if n not in accepted], settings)
    fitting = {name: v for name, v in experiment.params.items() if name in accepted}
    return problems + parameter_problems(cls, fitting)


def _unknown(kind: str, words: Sequence[str], known: Sequence[str]) -> list[str]:
    return [
        f"no {kind} '{word}'{nearest(word, known)}; known: {', '.join(known)}"
        for word in words
        if word not in known
    ]
