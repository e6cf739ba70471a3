"""Mistakes in the words of a run, found without torch: a typo is answered at once.

Hyperparameters are read from the source of a method, as importing it imports torch.
`benchmarks.plan.check` checks everything again, on the classes themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Literal

from benchmarks.configs.load import refuse, unknown_words
from benchmarks.plan.experiment import value_problems
from benchmarks.plan.hyperparameters import declared
from benchmarks.plan.workspace import ROOT, loader_options
from benchmarks.records.code import method_files
from datasets import registry
from msam.optim import OptimConfig
from msam.parameters import key_problems

SETTINGS = (
    *("epochs", "batch_size", "encoder", "train_samples"),
    *("precision", "memory_format", "threads"),
)


def refuse_wrong_words(values: Mapping[str, Any]) -> None:
    """ValueError lists the wrong words among the JSON values of an experiment."""
    data = values.get("data", {})
    problems = value_problems(values)
    problems += dataset_problems(values["dataset"], values["modalities"])
    method = values["method"]
    if problems_of_method := unknown_words("method", [method], method_files(ROOT)):
        problems += problems_of_method
    else:
        accepted = hyperparameters_of(method)
        problems += setting_problems(values["params"], accepted, data)
        known = {name: value for name, value in values["params"].items() if name in accepted}
        problems += key_problems(known, accepted, method, "parameter")
    refuse_run(problems)


def refuse_run(problems: Iterable[str]) -> None:
    """ValueError says why a run is not possible, if there is a reason."""
    found = list(dict.fromkeys(problems))
    if len(found) == 1:
        raise ValueError(f"this run is not possible: {found[0]}")
    refuse(found, "this run is not possible:")


def dataset_problems(name: str, modalities: Iterable[str]) -> list[str]:
    """What is wrong with the dataset and its modalities."""
    if problems := unknown_words("dataset", [name], registry.LOADERS):
        return problems
    return unknown_words(f"{name} modality", modalities, registry.spec(name).modalities)


def setting_problems(
    params: Iterable[str], accepted: Iterable[str], data: Mapping[str, object]
) -> list[str]:
    """The names that are no hyperparameter, with the nearest of all that can be set."""
    settings = [*accepted, *SETTINGS, *(f.name for f in fields(OptimConfig)), *loader_options(data)]
    return unknown_words("setting", [name for name in params if name not in accepted], settings)


def can_be_set(name: str) -> bool:
    """Whether `--set` knows the name, for some method or some dataset."""
    own = (*SETTINGS, *(f.name for f in fields(OptimConfig)))
    return name in own or any(name in hyperparameters_of(method) for method in method_files(ROOT))


def hyperparameters_of(method: str) -> dict[str, Any]:
    """The hyperparameters of a method by name: the `Literal` of their values, else Any."""
    return {
        each.name: Literal[each.options] if each.options else Any
        for each in declared(method).hyperparameters
    }
