"""The YAML files of `configs/`, read safely and checked: every mistake is listed at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from benchmarks.configs.checks import config_problems, unknown_words
from benchmarks.configs.schema import (
    Config,
    DatasetConfig,
    Grid,
    MethodConfig,
    ProfileConfig,
    Row,
    SuiteConfig,
)
from msam.parameters import field_problems

CONFIGS = Path(__file__).parent

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
        problems = config_problems(config)
    if problems:
        raise ValueError("the configuration is wrong:\n  " + "\n  ".join(problems))
    return config


def lookup(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """The entry `name`; ValueError names the nearest known word."""
    if problems := unknown_words(kind, [name], known):
        raise ValueError(problems[0])
    return known[name]


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
    required = [f.name for f in fields(cls) if f.default is f.default_factory is MISSING]
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
            raise yaml.YAMLError(f"{', '.join(twice)} stands twice, {node.start_mark}")
        return super().construct_mapping(node, deep)
