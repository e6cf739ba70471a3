"""Makes and writes the figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell
from benchmarks.records.record import RunRecord
from benchmarks.report.figures import paper_figures
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import gather


@dataclass(frozen=True)
class Drawn:
    """A figure that was written, its files, and the drawing as an SVG element."""

    figure: Figure
    files: tuple[Path, ...]
    svg: str


@dataclass(frozen=True)
class Figures:
    """The figures that were drawn, and the names of the others with the reason."""

    drawn: tuple[Drawn, ...]
    not_drawn: Mapping[str, str]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of all figures."""
        return tuple(path for each in self.drawn for path in each.files)


def write_figures(made: Iterable[Figure], out: Path, processes: int = 1) -> Figures:
    """Writes PDF, PNG and CSV of every figure that has points into `out`.

    With more than one process figures are drawn side by side. Files of an earlier call are removed
    where there is nothing to draw any more.
    """
    figures = list(made)
    empty = [figure for figure in figures if not figure.points]
    for path in (path for figure in empty for path in figure.paths(out).values()):
        path.unlink(missing_ok=True)
    drawn = _drawn([figure for figure in figures if figure.points], out, processes)
    return Figures(tuple(drawn), {figure.name: figure.absent for figure in empty})


def make_figures(
    config: Config,
    profile_name: str,
    cells: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    selection: str = "val-best",
) -> list[Figure]:
    """Every figure of every suite, those without points included; nothing is drawn yet.

    `cells` are those of each suite. ValueError for an unknown suite or selection rule.
    """
    made: list[Figure] = []
    for suite, planned in cells.items():
        material = gather(config, profile_name, suite, planned, records, selection)
        made += [paper_figures.overfitting_gap(material), *paper_figures.learning_curves(material)]
        made += [paper_figures.relative_gain(material), *paper_figures.seeds(material)]
        made += [paper_figures.contributions(material), paper_figures.cost(material)]
    return made


def _drawn(figures: Sequence[Figure], out: Path, processes: int) -> list[Drawn]:
    draw = partial(_draw, out=out)
    if min(processes, len(figures)) < 2:
        return list(map(draw, figures))
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(draw, figures))


def _draw(figure: Figure, out: Path) -> Drawn:
    contents = figure.draw("pdf", "png", "svg")
    return Drawn(figure, tuple(figure.save(contents, out)), contents["svg"].decode())
