"""The page of a figure: sizes in millimetres, fonts, legend, the mark of stand-in data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.style import Look
from benchmarks.report.wording import LABEL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

SINGLE, DOUBLE = 89.0, 183.0  # widths of one and two columns of a page
MM = 1 / 25.4
_LEGEND_LINE = 4.2
_TOP, _RIGHT, _BOTTOM = 6.0, 3.0, 10.0


@dataclass(frozen=True)
class Sizes:
    """Millimetres: height of a panel, space left of the panels and between them, legend entry."""

    height: float = 45.0
    left: float = 13.0
    gap: float = 6.0
    entry: float = 29.0


def canvas(
    figure: Figure, sizes: Sizes, handles: Sequence[Artist]
) -> tuple[Drawing, list[tuple[Panel, Axes]]]:
    """A page with a legend of `handles`, and empty axes, titled and marked, for every panel."""
    from matplotlib.figure import Figure as Page

    columns, lines = max(map(len, figure.grid)), len(figure.grid)
    width = SINGLE if columns == 1 else DOUBLE
    per_line = max(1, int((width - 4) // sizes.entry))
    below = _BOTTOM + 1 + _LEGEND_LINE * ceil(len(handles) / per_line)
    step = sizes.height + _TOP + (_BOTTOM - 2)
    height = below + step * lines - (_BOTTOM - 2)
    panel = (width - sizes.left - _RIGHT - sizes.gap * (columns - 1)) / columns
    page = Page(figsize=(width * MM, height * MM))
    places = [
        (sizes.left + j * (panel + sizes.gap), height - _TOP - i * step - sizes.height, spec)
        for i, row in enumerate(figure.grid)
        for j, spec in enumerate(row)
        if spec
    ]
    axes = []
    for x, y, spec in places:
        box = (x / width, y / height, panel / width, sizes.height / height)
        axes.append((spec, _titled(page.add_axes(box), figure, spec)))
    _legend(page, handles, per_line)
    return page, axes


def is_leftmost(figure: Figure, panel: Panel) -> bool:
    """True for the first panel of a line, which alone has a label at its vertical axis."""
    return any(next(filter(None, row)) is panel for row in figure.grid)


def line_style(look: Look) -> dict[str, Any]:
    """The keywords of a line with markers."""
    return {"linestyle": look.dash, **marker_style(look)}


def marker_style(look: Look) -> dict[str, Any]:
    """The keywords of a marker; where the colour is pale on white it has a dark edge."""
    edge = "#555555" if look.pale else "white"
    return {"color": look.colour, "marker": look.marker, "markeredgecolor": edge}


def row_handles(figure: Figure, lines: bool = True) -> list[Line2D]:
    """Legend entries for the rows, with the number of their runs."""
    from matplotlib.lines import Line2D

    style = line_style if lines else marker_style
    hidden = {} if lines else {"linestyle": "none"}
    return [
        Line2D([], [], label=label, **style(figure.looks[row]), **hidden)
        for row, label in zip(figure.rows, labels(figure), strict=True)
    ]


def labels(figure: Figure) -> list[str]:
    """`M-SAM (3)` for every row of the figure: its name and number of runs."""
    runs = {row: [p.runs for p in figure.points if p.row == row] for row in figure.rows}
    return [f"{row} ({counts(numbers)})" for row, numbers in runs.items()]


def counts(numbers: Sequence[int]) -> str:
    """`3`, or `2-3` where panels differ."""
    return "-".join(map(str, dict.fromkeys((min(numbers), max(numbers)))))


def _titled(axes: Axes, figure: Figure, panel: Panel) -> Axes:
    axes.set_title(panel.title, y=1.0, pad=3)  # a given y saves a search for it
    points = [point for several in figure.at(panel).values() for point in several]
    if any(point.published_protocol for point in points):
        axes.text(
            0.99, 0.01, LABEL, transform=axes.transAxes, fontsize=6, color="#777777", ha="right",
            va="bottom", zorder=0.5,
        )  # fmt: skip
    if any(point.stand_in for point in points):
        axes.text(
            0.5, 0.5, "stand-in data", transform=axes.transAxes, rotation=20, fontsize=15,
            color="#c8c8c8", ha="center", va="center", zorder=0.5,
        )  # fmt: skip
    return axes


def _legend(page: Drawing, handles: Sequence[Artist], columns: int) -> None:
    page.legend(
        handles=handles,
        loc="lower center",
        ncols=min(columns, len(handles)),
        frameon=False,
        borderpad=0.2,
        handlelength=2.6,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.35,
    )
