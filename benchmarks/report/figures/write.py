"""Finds the figures of this folder, draws them, and writes their files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell
from benchmarks.records.files import write_bytes, write_text
from benchmarks.records.record import RunRecord
from benchmarks.report import figures as folder
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.material import gather
from benchmarks.report.figures.style import typography

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

RESOLUTION = 200  # dots per inch of the PNG, which is for screens; the PDF is for print
PIXELS = 96  # per inch, of a web page
_METADATA = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


@dataclass(frozen=True)
class Drawn:
    """A figure that was written, its files, and its SVG of `width` x `height` pixels."""

    figure: Figure
    files: tuple[Path, ...]
    svg: str
    width: int
    height: int


@dataclass(frozen=True)
class Figures:
    """The figures that were drawn, and the names of the others with the reason."""

    drawn: tuple[Drawn, ...]
    not_drawn: Mapping[str, str]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of all figures."""
        return tuple(path for each in self.drawn for path in each.files)


def figure_modules() -> list[ModuleType]:
    """The files of this folder that make figures, in their order on the page."""
    names = [module.name for module in iter_modules(folder.__path__, f"{folder.__name__}.")]
    modules = [import_module(name) for name in names]
    return sorted(
        (module for module in modules if hasattr(module, "ORDER")),
        key=lambda module: (module.ORDER, module.__name__),
    )


def make_figures(
    config: Config,
    profile_name: str,
    cells: Mapping[str, Sequence[Cell]],
    records: Sequence[RunRecord],
    selection: str = "val-best",
) -> list[Figure]:
    """Every figure of every suite, also those without points; nothing is drawn yet.

    `cells` are those of each suite. ValueError for an unknown suite or selection rule.
    """
    made: list[Figure] = []
    for suite, planned in cells.items():
        material = gather(
            config=config,
            profile_name=profile_name,
            suite=suite,
            cells=planned,
            records=records,
            selection=selection,
        )
        made += [figure for module in figure_modules() for figure in module.figures(material)]
    return made


def write_figures(made: Iterable[Figure], out: Path, processes: int = 1) -> Figures:
    """Writes PDF, PNG and CSV of every figure that has points into `out`.

    With more than one process, figures are drawn side by side. Where a figure has no points any
    more, its files of an earlier call are removed.
    """
    made = list(made)
    empty = [figure for figure in made if not figure.points]
    for path in (path for figure in empty for path in figure.paths(out).values()):
        path.unlink(missing_ok=True)
    full = [figure for figure in made if figure.points]
    draw = partial(_write, out=out)
    if min(processes, len(full)) < 2:
        drawn = [draw(figure) for figure in full]
    else:
        with ProcessPoolExecutor(processes) as pool:
            drawn = list(pool.map(draw, full))
    return Figures(tuple(drawn), {figure.name: figure.absent for figure in empty})


def _write(figure: Figure, out: Path) -> Drawn:
    paths = figure.paths(out)
    with typography():
        page = figure.paint(figure)
        pdf, png, svg = (_saved(page, name) for name in ("pdf", "png", "svg"))
    write_text(paths["csv"], figure.csv())
    write_bytes(paths["pdf"], pdf)
    write_bytes(paths["png"], png)
    width, height = (PIXELS * inches for inches in page.get_size_inches())
    return Drawn(figure, tuple(paths.values()), svg.decode(), round(width), round(height))


def _saved(page: Drawing, name: str) -> bytes:
    """The page in this format, without dates: the same records give the same bytes."""
    buffer = io.BytesIO()
    options: dict[str, Any] = (
        {"pil_kwargs": {"compress_level": 3}} if name == "png" else {}
    )  # twice as fast as 6
    page.savefig(buffer, format=name, dpi=RESOLUTION, metadata=_METADATA[name], **options)
    return buffer.getvalue()
