"""The runs that `tune` plans: the grid of every method, for every dataset and fusion.

Every method with something to choose has the same number of values in `methods.yaml`, and every
value is trained under the same profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.configs.schema import Config, Grid, ProfileConfig, Row
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import Cell, DataState, make_experiment

FUSIONS = ("late", "early")


@dataclass(frozen=True)
class Search:
    """The grid of one method for one dataset and fusion: a cell for each value.

    `published` is the value that the tables use without a choice.
    """

    grid: Grid
    cells: tuple[Cell, ...]
    published: float
    seeds: int

    @property
    def template(self) -> Experiment:
        return self.cells[0].template

    @property
    def name(self) -> str:
        """Dataset, fusion and method."""
        return f"{self.template.dataset} {self.template.fusion} {self.template.method}"

    @property
    def experiments(self) -> list[Experiment]:
        """The runs of the grid; none where the data is missing."""
        return [e for cell in self.cells for e in cell.experiments(self.seeds)]


def searches(
    config: Config, profile: ProfileConfig, states: Mapping[str, DataState]
) -> list[Search]:
    """The grid of every method that has one, for every dataset and fusion."""
    published = [
        make_experiment(
            config,
            profile,
            dataset=dataset,
            fusion=fusion,
            method=method,
            fingerprint=states[dataset].fingerprint,
        )
        for dataset in config.datasets
        for fusion in FUSIONS
        for method in config.methods
        if config.methods[method].grid
    ]
    return [_search(config, run, states[run.dataset].reason, profile.seeds) for run in published]


def _search(config: Config, published: Experiment, blocked: str, seeds: int) -> Search:
    """The grid around the run with the published value; `blocked` says why it cannot run."""
    method = config.methods[published.method]
    grid = method.grid
    assert grid is not None  # only methods with a grid are searched
    parameter = grid.parameter
    cells = [
        Cell(
            Row(method.label, published.method),
            published.dataset,
            replace(published, params={**published.params, parameter: value}),
            blocked,
        )
        for value in grid.values
    ]
    value = method.values(published.dataset)[parameter]
    return Search(grid, tuple(cells), value, seeds)
