"""Reads the YAML files of `configs/` safely and checks them; every mistake is listed at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from benchmarks.configs.schema import (
    Config,
    DatasetConfig,
    Grid,
    MethodConfig,
    ProfileConfig,
    Row,
    SuiteConfig,
)
from msam.optim import OptimConfig
from msam.parameters import field_problems, nearest

CONFIGS = Path(__file__).parent
SIZES = ("paper", "small")  # of encoders

Entry = TypeVar("Entry")


def load_config(folder: Path = CONFIGS) -> Config:
    """Reads the four files of `folder`; ValueError lists every mistake in them."""
    problems: list[str] = []
    config = Config(
        datasets=_entries(folder / "datasets.yaml", DatasetConfig, problems),
        methods=_entries(folder / "methods.yaml", MethodConfig, problems),
        suites=_suites(folder, problems),
        profiles=_entries(folder / "profiles.yaml", ProfileConfig, problems),
    )
    if not problems:
        problems = config_problems(config)
    refuse(problems, "the configuration is wrong:")
    return config


# Files of the report beside those of the tables.
REPORT_FILES = {
    "calibration", "claims", "comparison", "compute", "ensembles", "left_out", "metrics", "missing",
    "runs", "selection", "sharpness", "significance",
}  # fmt: skip


def load_suites(folder: Path = CONFIGS) -> dict[str, SuiteConfig]:
    """Reads the tables of `suites.yaml` alone, for help texts; ValueError lists every mistake."""
    problems: list[str] = []
    suites = _suites(folder, problems)
    refuse(problems, "the configuration is wrong:")
    return suites


def _suites(folder: Path, problems: list[str]) -> dict[str, SuiteConfig]:
    suites = _entries(folder / "suites.yaml", SuiteConfig, problems)
    problems += [
        f"suites.yaml: '{name}' cannot name a table: the name is a verb and a file name; it must "
        "start with a lower-case letter and have only these, digits, - and _"
        for name in suites
        if not re.fullmatch("[a-z][a-z0-9_-]*", name)
    ]
    problems += [
        f"suites.yaml: '{name}' cannot name a table: the report writes another file of this name"
        for name in REPORT_FILES.intersection(suites)
    ]
    return suites


def refuse(problems: Iterable[str], *head: str) -> None:
    """ValueError with a line for every problem, below `head`; nothing if there is no problem."""
    if lines := list(problems):
        raise ValueError("\n  ".join([*head, *lines]))


def lookup(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """The entry `name`; ValueError names the nearest known word."""
    refuse(unknown_words(kind, [name], known))
    return known[name]


def unknown_words(kind: str, words: Iterable[str], known: Collection[str]) -> list[str]:
    """One sentence for every word that is not known, with the nearest one that is."""
    return [
        f"no {kind} '{word}'{nearest(word, known)}; known: {', '.join(known)}"
        for word in words
        if word not in known
    ]


def _entries(path: Path, cls: type[Entry], problems: list[str]) -> dict[str, Entry]:
    """The mapping name -> `cls` that a file holds; what is wrong is added to `problems`."""
    try:
        content = read_mapping(path)
    except ValueError as error:
        problems.append(str(error))
        return {}
    return {
        str(name): entry
        for name, values in content.items()
        if (entry := read_entry(values, cls, f"{path.name}: {name}", problems))
    }


def read_entry(values: Any, cls: type[Entry], where: str, problems: list[str]) -> Entry | None:
    """The dataclass `cls` that YAML values hold, or None; what is wrong is added to `problems`."""
    if not isinstance(values, dict):
        problems.append(f"{where} must be a mapping")
        return None
    found = field_problems(cls, values, where)
    required = [f.name for f in fields(cls) if f.default is f.default_factory is MISSING]  # type: ignore[arg-type]
    found += [f"{where} lacks the key '{key}'" for key in required if key not in values]
    problems += found
    if found:
        return None
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if cls is SuiteConfig:
        rows = [
            read_entry(row, Row, f"{where} row {i + 1}", problems)
            for i, row in enumerate(values["rows"])
        ]
        values["rows"] = tuple(row for row in rows if row)
    if cls is MethodConfig and values.get("grid") is not None:
        values["grid"] = read_entry(values["grid"], Grid, f"{where} grid", problems)
    return cls(**values)


# What PyYAML raises, also for values that are no number or day although they look like one.
_BROKEN = (
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    RecursionError,
    yaml.YAMLError,
)


def read_mapping(path: Path) -> dict[Any, Any]:
    """The mapping that a file holds; ValueError names the file and what is wrong with it."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except _BROKEN as error:
        raise ValueError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must be a mapping of names to entries")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice instead of taking the last."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(
                f"*{self.peek_event().anchor} refers to another part; write it out"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"the key {', '.join(twice)} stands twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


def config_problems(config: Config) -> list[str]:
    """What contradicts itself beyond the type of each entry, one sentence each."""
    problems = [
        f"profiles.yaml lacks the profile '{name}'"
        for name in ("demo", "paper")
        if name not in config.profiles
    ]
    problems += [
        f"datasets.yaml: {name} encoders must name one for each of {', '.join(SIZES)}"
        for name, dataset in config.datasets.items()
        if set(dataset.encoders) != set(SIZES)
    ]
    for name, profile in config.profiles.items():
        problems += _profile_problems(config, f"profiles.yaml: {name}", profile)
    for name, suite in config.suites.items():
        problems += _suite_problems(config, f"suites.yaml: {name}", suite)
    wrong_methods = [
        problem
        for name, method in config.methods.items()
        for problem in _method_problems(config, f"methods.yaml: {name}", method)
    ]
    return problems + (wrong_methods or grid_problems(config))


def _profile_problems(config: Config, where: str, profile: ProfileConfig) -> list[str]:
    problems = field_problems(OptimConfig, profile.optim, f"{where} optim")
    for name, options in profile.options.items():
        if name not in config.datasets:
            hint = nearest(name, config.datasets)
            problems.append(f"{where} options has no dataset '{name}'{hint}")
        if not isinstance(options, dict):
            problems.append(f"{where} options of {name} must be a mapping")
    return problems


def _method_problems(config: Config, where: str, method: MethodConfig) -> Iterator[str]:
    for name, entry in method.params.items():
        parameter = f"{where} parameter '{name}'"
        overrides = entry.get("datasets", {}) if isinstance(entry, dict) else {}
        if not isinstance(entry, dict) or not {"value", "source"} <= set(entry):
            yield f"{parameter} needs a value and its source"
        elif set(entry) - {"value", "source", "datasets"} or not isinstance(overrides, dict):
            yield f"{parameter} may have a value, its source, and `datasets` with other values"
        else:
            wrong = unknown_words("dataset", overrides, config.datasets)
            yield from (f"{parameter}: {problem}" for problem in wrong)


def _suite_problems(config: Config, where: str, suite: SuiteConfig) -> Iterator[str]:
    labels = [row.label for row in suite.rows]
    yield from (f"{where} has the row '{x}' twice" for x in set(labels) if labels.count(x) > 1)
    modalities = {m for dataset in config.datasets.values() for m in dataset.modalities}
    options = {o for dataset in config.datasets.values() for o in dataset.options}
    for row in suite.rows:
        line = f"{where} row '{row.label}'"
        problems = unknown_words("modality", row.modalities, modalities)
        problems += unknown_words("method", [row.method], config.methods)
        yield from (f"{line}: {problem}" for problem in problems)
        for name in sorted(options.intersection(row.changes)):
            yield f"{line} may not change '{name}': one table has one way to load data"


def grid_problems(config: Config) -> list[str]:
    """One sentence for every mistake in what methods choose or follow; their `params` are right."""
    sizes = {name: len(m.grid.values) for name, m in config.methods.items() if m.grid}
    told = ", ".join(f"{name} {size}" for name, size in sizes.items())
    unequal = len(set(sizes.values())) > 1
    problems = [f"methods.yaml: every grid must have equally many values: {told}"] * unequal
    for name, method in config.methods.items():
        where = f"methods.yaml: {name}"
        if method.grid and method.follows:
            problems.append(f"{where} may have a grid or follow a method, not both")
        elif method.grid:
            problems += _own_problems(config, f"{where} grid", method, method.grid)
        elif method.follows:
            problems += _follower_problems(config, f"{where} follows", method, method.follows)
    return problems


def _own_problems(config: Config, where: str, method: MethodConfig, grid: Grid) -> Iterator[str]:
    if not grid.values or list(grid.values) != sorted(set(grid.values)):
        yield f"{where} has the values {list(grid.values)}; they must be different and rising"
    if problems := _unknown(grid.parameter, method):
        yield from (f"{where}: {problem}" for problem in problems)
        return
    for dataset in config.datasets:
        used = method.values(dataset)[grid.parameter]
        if used not in grid.values:
            yield f"{where} lacks {used!r}, the {grid.parameter} that the table uses for {dataset}"


def _follower_problems(
    config: Config, where: str, method: MethodConfig, followed: str
) -> Iterator[str]:
    leaders = {name: m for name, m in config.methods.items() if m.grid}
    problems = unknown_words("method with a grid", [followed], leaders)
    parameter = "" if problems else leaders[followed].grid.parameter  # type: ignore[union-attr]
    if problems := problems or _unknown(parameter, method):
        yield from (f"{where}: {problem}" for problem in problems)
        return
    for dataset in config.datasets:
        ours, theirs = (m.values(dataset).get(parameter) for m in (method, leaders[followed]))
        if ours != theirs:
            yield f"{where} {followed}: {parameter} is {ours!r} for {dataset}, there {theirs!r}"


def _unknown(parameter: str, method: MethodConfig) -> list[str]:
    return unknown_words("parameter with a value", [parameter], method.params)
