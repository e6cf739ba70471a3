"""Writes all figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.config_schema import Config
from benchmarks.plan import Cell
from benchmarks.record import RunRecord
from benchmarks.report.figures import kinds
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import gather


@dataclass(frozen=True)
class Figures:
    """The figures that were drawn, their files, and the names of the others with the reason."""

    drawn: tuple[Figure, ...]
    files: tuple[Path, ...]
    not_drawn: Mapping[str, str]


def write_figures(
    config: Config,
    profile_name: str,
    cells: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    out: Path,
    selection: str = "val-best",
) -> Figures:
    """Writes PDF, PNG and CSV of every figure that has points into `out`.

    `cells` are those of each suite. Files of an earlier call are removed where there is nothing
    to draw any more. ValueError for an unknown suite or selection rule.
    """
    made = make_figures(config, profile_name, cells, records, selection)
    drawn = tuple(figure for figure in made if figure.points)
    empty = [figure for figure in made if not figure.points]
    for path in (path for figure in empty for path in figure.paths(out).values()):
        path.unlink(missing_ok=True)
    files = tuple(path for figure in drawn for path in figure.write(out))
    return Figures(drawn, files, {figure.name: figure.absent for figure in empty})


def make_figures(
    config: Config,
    profile_name: str,
    cells: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    selection: str = "val-best",
) -> list[Figure]:
    """Every figure of every suite, those without points included; nothing is drawn yet."""
    made: list[Figure] = []
    for suite, planned in cells.items():
        material = gather(config, profile_name, suite, planned, records, selection)
        made += [kinds.overfitting_gap(material), *kinds.learning_curves(material)]
        made += [kinds.relative_gain(material), *kinds.seeds(material)]
        made += [kinds.contributions(material), kinds.cost(material)]
    return made
