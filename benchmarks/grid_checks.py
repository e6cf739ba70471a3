"""What is wrong with the grids of `methods.yaml`: unequal budgets, values that miss the table's."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.config_schema import Config, Grid, MethodConfig
from benchmarks.words import unknown_words


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
