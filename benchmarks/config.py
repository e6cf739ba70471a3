"""The YAML files of `configs/`, read safely and checked: every mistake is listed at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.config_schema import (
    Config,
    DatasetConfig,
    MethodConfig,
    ProfileConfig,
    Row,
    SuiteConfig,
)
from benchmarks.yaml_files import read_mapping
from msam.optim import OptimConfig
from msam.parameters import field_problems, nearest

SIZES = ("paper", "small")  # of encoders
CONFIGS = Path(__file__).parent / "configs"

Entry = TypeVar("Entry")


def load_config(folder: Path = CONFIGS) -> Config:
    """Reads the four files of `folder`; ValueError lists every mistake in them."""
    problems: list[str] = []
    config = Config(
        datasets=_entries(folder / "datasets.yaml", DatasetConfig, problems),
        methods=_entries(folder / "methods.yaml", MethodConfig, problems),
        suites=_entries(folder / "suites.yaml", SuiteConfig, problems),
        profiles=_entries(folder / "profiles.yaml", ProfileConfig, problems),
    )
    if not problems:
        problems = _nested_problems(config)
    if problems:
        raise ValueError("the configuration is wrong:\n  " + "\n  ".join(problems))
    return config


def lookup(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """The entry `name`; ValueError names the nearest known word."""
    if problems := unknown_words(kind, [name], known):
        raise ValueError(problems[0])
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
        if (entry := _entry(values, cls, f"{path.name}: {name}", problems))
    }


def _entry(values: Any, cls: type[Entry], where: str, problems: list[str]) -> Entry | None:
    if not isinstance(values, dict):
        problems.append(f"{where} must be a mapping")
        return None
    found = field_problems(cls, values, where)
    required = [f.name for f in fields(cls) if f.default is f.default_factory is MISSING]
    found += [f"{where} lacks the key '{key}'" for key in required if key not in values]
    problems += found
    if found:
        return None
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if cls is SuiteConfig:
        rows = [
            _entry(row, Row, f"{where} row {i + 1}", problems)
            for i, row in enumerate(values["rows"])
        ]
        values["rows"] = tuple(row for row in rows if row)
    return cls(**values)


def _nested_problems(config: Config) -> list[str]:
    problems = [
        f"profiles.yaml lacks the profile '{name}'"
        for name in ("demo", "paper")
        if name not in config.profiles
    ]
    for name, profile in config.profiles.items():
        where = f"profiles.yaml: {name}"
        problems += field_problems(OptimConfig, profile.optim, f"{where} optim")
        problems += [
            f"{where} options has no dataset '{d}'{nearest(d, config.datasets)}"
            for d in profile.options
            if d not in config.datasets
        ]
        problems += [
            f"{where} options of {d} must be a mapping"
            for d, options in profile.options.items()
            if not isinstance(options, dict)
        ]
    problems += [
        f"datasets.yaml: {name} encoders must name one for each of {', '.join(SIZES)}"
        for name, dataset in config.datasets.items()
        if set(dataset.encoders) != set(SIZES)
    ]
    for name, suite in config.suites.items():
        problems += _row_problems(config, f"suites.yaml: {name}", suite)
    for name, method in config.methods.items():
        problems += [
            problem
            for key, entry in method.params.items()
            for problem in _parameter_problems(
                config, f"methods.yaml: {name} parameter '{key}'", entry
            )
        ]
    return problems


def _parameter_problems(config: Config, where: str, entry: Any) -> list[str]:
    if not isinstance(entry, dict) or not {"value", "source"} <= set(entry):
        return [f"{where} needs a value and its source"]
    overrides = entry.get("datasets", {})
    if set(entry) - {"value", "source", "datasets"} or not isinstance(overrides, dict):
        return [f"{where} may have a value, its source, and `datasets` with other values"]
    return [f"{where}: {p}" for p in unknown_words("dataset", overrides, config.datasets)]


def _row_problems(config: Config, where: str, suite: SuiteConfig) -> list[str]:
    labels = [row.label for row in suite.rows]
    known = {m for dataset in config.datasets.values() for m in dataset.modalities}
    problems = [f"{where} has the row '{x}' twice" for x in set(labels) if labels.count(x) > 1]
    return (
        problems
        + [
            f"{where} row '{row.label}' names no modality '{m}'{nearest(m, known)}"
            for row in suite.rows
            for m in row.modalities
            if m not in known
        ]
        + [
            f"{where} row '{row.label}': {problem}"
            for row in suite.rows
            for problem in unknown_words("method", [row.method], config.methods)
        ]
    )
