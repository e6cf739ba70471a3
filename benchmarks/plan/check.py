"""Checks experiments before the first second of training, listing every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baselines.registry import METHODS
from benchmarks.configs.load import refuse, unknown_words
from benchmarks.models import ENCODERS
from benchmarks.plan.experiment import Experiment, value_problems
from benchmarks.plan.words import dataset_problems, refuse_run, setting_problems
from msam.optim import OptimConfig
from msam.parameters import field_problems, hyperparameters, parameter_problems

# Takes the place of wrong values of an experiment while the others are checked.
_PROBE = {"fusion": "late", "seed": 0, "epochs": 1, "batch_size": 2, "encoder": "small_cnn"}


def check_values(values: Mapping[str, Any]) -> Experiment:
    """The experiment of these JSON values; ValueError lists every mistake in them."""
    problems = value_problems(values)
    fitting = {k: v for k, v in values.items() if not field_problems(Experiment, {k: v}, "")}
    probe = Experiment(**{**_PROBE, **fitting, "optim": OptimConfig()})
    problems += experiment_problems(probe)
    refuse_run(problems)
    return Experiment.from_dict(values)


def check(experiments: Sequence[Experiment]) -> None:
    """ValueError lists every mistake if one of the experiments cannot be run."""
    problems = (problem for each in experiments for problem in experiment_problems(each))
    refuse(dict.fromkeys(problems), "the plan cannot be run:")


def experiment_problems(experiment: Experiment) -> list[str]:
    """What is wrong with the encoder, the modalities, the method and its hyperparameters."""
    problems = dataset_problems(experiment.dataset, experiment.modalities)
    if experiment.encoder or not problems:  # an unknown dataset has no encoder of its own
        problems += unknown_words("encoder", [experiment.encoder], ENCODERS)
    if experiment.train_samples is not None and experiment.train_samples < experiment.batch_size:
        problems.append(
            f"train_samples is {experiment.train_samples}; it must fill at least one batch of "
            f"{experiment.batch_size}"
        )
    if experiment.method not in METHODS:
        return problems + unknown_words("method", [experiment.method], METHODS)
    cls = METHODS[experiment.method]
    accepted = hyperparameters(cls)
    problems += setting_problems(experiment.params, accepted, experiment.data)
    fitting = {name: v for name, v in experiment.params.items() if name in accepted}
    return problems + parameter_problems(cls, fitting)
