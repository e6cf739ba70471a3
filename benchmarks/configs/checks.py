"""What contradicts itself within the configuration, beyond the type of each entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from benchmarks.configs.schema import Config, Grid, MethodConfig, ProfileConfig, SuiteConfig
from datasets.errors import counted
from msam.optim import OptimConfig
from msam.parameters import field_problems, nearest

SIZES = ("paper", "small")  # of encoders


def config_problems(config: Config) -> list[str]:
    """One sentence for every mistake."""
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
        problems += _row_problems(config, f"suites.yaml: {name}", suite)
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


def _row_problems(config: Config, where: str, suite: SuiteConfig) -> list[str]:
    labels = [row.label for row in suite.rows]
    known = {m for dataset in config.datasets.values() for m in dataset.modalities}
    options = {o for dataset in config.datasets.values() for o in dataset.options}
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
        + [
            f"{where} row '{row.label}' may not change '{name}': one table has one way to load data"
            for row in suite.rows
            for name in sorted(options.intersection(row.changes))
        ]
    )


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
    parameter = "" if problems else leaders[followed].grid.parameter
    if problems := problems or _unknown(parameter, method):
        yield from (f"{where}: {problem}" for problem in problems)
        return
    for dataset in config.datasets:
        ours, theirs = (m.values(dataset).get(parameter) for m in (method, leaders[followed]))
        if ours != theirs:
            yield f"{where} {followed}: {parameter} is {ours!r} for {dataset}, there {theirs!r}"


def _unknown(parameter: str, method: MethodConfig) -> list[str]:
    return unknown_words("parameter with a value", [parameter], method.params)


__all__ = ["counted", "unknown_words"]


def unknown_words(kind: str, words: Iterable[str], known: Collection[str]) -> list[str]:
    """One sentence for every word that is not known, with the nearest one that is."""
    return [
        f"no {kind} '{word}'{nearest(word, known)}; known: {', '.join(known)}"
        for word in words
        if word not in known
    ]
