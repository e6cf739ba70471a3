"""Mistakes in the words of a run, found without torch: a typo is answered at once.

Hyperparameters are read from the source of a method, as importing it imports torch.
`benchmarks.plan.check` checks everything again, on the classes themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Literal

from benchmarks.configs.load import refuse, unknown_words
from benchmarks.plan.experiment import value_problems
from benchmarks.plan.workspace import ROOT, loader_options
from benchmarks.records.code import method_files, method_sources
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
    """The keyword-only arguments of the method's class, read from its file.

    Without an `__init__` there, those of all files that it imports: a superset. The options of a
    `Literal` come with it; of every other argument only the name counts.
    """
    sources = {path: ast.parse(path.read_bytes()) for path in sorted(method_sources(method))}
    aliases = {name: node for tree in sources.values() for name, node in _assigned(tree)}
    own = [
        argument for path in method_files(ROOT)[method] for argument in _arguments(sources[path])
    ]
    inherited = [argument for tree in sources.values() for argument in _arguments(tree)]
    return {each.arg: _hint(each.annotation, aliases) for each in own or inherited}


def _arguments(tree: ast.Module) -> list[ast.arg]:
    """The keyword-only arguments of every `__init__`."""
    return [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in node.args.kwonlyargs
    ]


def _assigned(tree: ast.Module) -> list[tuple[str, ast.expr]]:
    """The names that a file gives to expressions."""
    return [
        (node.targets[0].id, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]


def _hint(annotation: ast.expr | None, aliases: Mapping[str, ast.expr]) -> Any:
    """The `Literal` that an annotation is, or the name of; Any for everything else."""
    node = aliases.get(annotation.id) if isinstance(annotation, ast.Name) else annotation
    if not isinstance(node, ast.Subscript) or getattr(node.value, "id", "") != "Literal":
        return Any
    return Literal[ast.literal_eval(node.slice)]
