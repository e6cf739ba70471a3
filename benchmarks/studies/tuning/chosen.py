"""The hyperparameters chosen on validation data: their file, `choices.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from benchmarks.configs.load import read_entry, read_mapping, unknown_words
from benchmarks.configs.schema import Config
from benchmarks.host import ROOT
from datasets.spec import PROTOCOLS

Key = tuple[str, str, str]  # dataset, fusion, method
HEAD = (
    "# Written by ./reproduce.sh tune: of each grid in methods.yaml the value with the highest\n"
    "# validation accuracy, and the runs of the grid. choices.csv has the accuracy of each value.\n"
)


@dataclass(frozen=True)
class ChosenValue:
    """The value of a hyperparameter for one dataset and fusion; `runs` are those of its grid."""

    dataset: str
    fusion: Literal["late", "early"]
    method: str
    parameter: str
    value: float
    runs: tuple[str, ...]

    @property
    def key(self) -> Key:
        return self.dataset, self.fusion, self.method

    def __str__(self) -> str:
        return f"{' '.join(self.key)} {self.parameter}={self.value}"


@dataclass(frozen=True)
class ChosenFile:
    """What `choices.yaml` holds."""

    profile: str
    stand_in: bool
    choices: tuple[Any, ...]


def chosen_text(choices: Iterable[ChosenValue], profile: str, stand_in: bool) -> str:
    """The file's text; `profile` names how the runs were trained."""
    entries = [asdict(choice) | {"runs": list(choice.runs)} for choice in choices]
    content = {"profile": profile, "stand_in": stand_in, "choices": entries}
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=200)


def read_chosen(path: Path, config: Config) -> list[ChosenValue]:
    """The choices in a file; ValueError lists every mistake in it."""
    problems: list[str] = []
    file = read_entry(read_mapping(path), ChosenFile, path.name, problems)
    entries = file.choices if file else ()
    if file and file.stand_in:
        problems.append("they rest on stand-in data, and say nothing about real data")
    numbered = enumerate(entries, start=1)
    read = [read_entry(entry, ChosenValue, f"choice {n}", problems) for n, entry in numbered]
    found = [choice for choice in read if choice]
    problems += [problem for choice in found for problem in _problems(choice, config)]
    keys = [choice.key for choice in found]
    problems += [f"{' '.join(key)} is chosen twice" for key in set(keys) if keys.count(key) > 1]
    if problems:
        again = "correct it, or write it again: ./reproduce.sh tune"
        raise ValueError("\n  ".join([f"{path} is wrong; {again}", *problems]))
    return found


def chosen_keys(path: Path) -> list[Key]:
    """Dataset, fusion and method of every choice in a file, right or wrong; none without a file.

    ValueError if the file is not YAML.
    """
    entries = read_mapping(path).get("choices") if path.exists() else None
    entries = entries if isinstance(entries, list) else []
    read = [read_entry(entry, ChosenValue, path.name, []) for entry in entries]
    return [choice.key for choice in read if choice]


def with_chosen(config: Config, path: Path, protocol: str | None) -> tuple[Config, str]:
    """The configuration with the choices of a file, and one line that says which there are.

    They were made under the default protocol. Under another one they are not used: they may have
    seen its test samples.
    """
    if protocol not in (None, PROTOCOLS[0]):
        return config, (
            f"hyperparameters: the published values of methods.yaml; what was chosen holds for the "
            f"protocol {PROTOCOLS[0]}"
        )
    choices = read_chosen(path, config) if path.exists() else []
    if not choices:
        return config, (
            "hyperparameters: the published values of methods.yaml; none is chosen on validation "
            "data yet, `./reproduce.sh tune` does it"
        )
    chosen = {choice.key: {choice.parameter: choice.value} for choice in choices}
    changed = [choice for choice in choices if choice.value != _published(choice, config)]
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return replace(config, choices=chosen), (
        f"hyperparameters: {len(choices)} chosen on validation data ({place}), "
        f"{len(changed)} of them other than the published values"
    )


def _problems(choice: ChosenValue, config: Config) -> list[str]:
    """What does not fit the configuration, one sentence each."""
    grids = {name: method.grid for name, method in config.methods.items() if method.grid}
    problems = unknown_words("dataset", [choice.dataset], config.datasets)
    problems += unknown_words("method with a grid", [choice.method], grids)
    if grid := grids.get(choice.method):
        problems += unknown_words("parameter", [choice.parameter], [grid.parameter])
        if repr(choice.value) not in map(repr, grid.values):  # 5.0 is not 5: it is another run
            known = ", ".join(map(str, grid.values))
            problems.append(f"{choice.value} is not in its grid, which has {known}")
        if (named := len(set(choice.runs))) < len(grid.values):
            problems.append(f"it names {named} runs, fewer than its grid has values")
        like = "-".join(choice.key)
        wrong = [r for r in choice.runs if not re.fullmatch(f"{like}-s[0-9]+-[0-9a-f]+", r)]
        problems += [f"'{run}' is not one of its runs, named {like}-s0-..." for run in wrong]
    return [f"{' '.join(choice.key)}: {problem}" for problem in problems]


def _published(choice: ChosenValue, config: Config) -> Any:
    return config.methods[choice.method].values(choice.dataset)[choice.parameter]
