"""What all figures share: fonts, one look per row, the page with its panels and legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from benchmarks.configs.schema import Config
from benchmarks.report.figures.figure import Dash, Figure, Look, Panel
from benchmarks.report.wording import LABEL

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so every machine has it
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",  # the same figure gets the same names of its parts
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.6,
    "lines.markeredgewidth": 0.4,
}


@contextmanager
def typography() -> Iterator[None]:
    """The style of all figures, whatever the user's own settings are."""
    import matplotlib

    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context({**defaults, **_STYLE}):  # type: ignore[dict-item]
        yield


# Four dashes and thirteen markers have no common factor: 52 rows differ without any colour.
DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
MARKERS = "o^sDvXP<>p*dH"


def look(order: int, colour: str) -> Look:
    """The look of the row at this place; dash and marker follow from the place."""
    return Look(order, colour, DASHES[order % len(DASHES)], MARKERS[order % len(MARKERS)])


def looks(config: Config) -> dict[str, Look]:
    """The look of every label: the rows of the paper's tables in order, then the other methods.

    Colours are those of `methods.yaml`.
    """
    papers = [suite for suite in config.suites.values() if suite.source == "paper"]
    methods = {row.label: row.method for suite in papers for row in suite.rows}
    methods |= {m.label: name for name, m in config.methods.items() if m.label not in methods}
    named = enumerate(methods.items())
    return {label: look(i, config.methods[name].colour) for i, (label, name) in named}


SINGLE, DOUBLE = 89.0, 183.0  # millimetres: one and two columns of a journal's page
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


@dataclass(frozen=True)
class Canvas:
    """A page with empty axes for every panel."""

    page: Drawing
    panels: tuple[tuple[Panel, Axes], ...]


def canvas(figure: Figure, sizes: Sizes, handles: Sequence[Artist]) -> Canvas:
    """The page of a figure: its panels are titled and marked, the legend shows `handles`."""
    from matplotlib.figure import Figure as Page

    columns, lines = max(map(len, figure.grid)), len(figure.grid)
    width = SINGLE if columns == 1 else DOUBLE
    per_line = max(1, int((width - 4) // sizes.entry))
    below = _BOTTOM + 1 + _LEGEND_LINE * ceil(len(handles) / per_line)
    step = sizes.height + _TOP + (_BOTTOM - 2)
    height = below + step * lines - (_BOTTOM - 2)
    panel_width = (width - sizes.left - _RIGHT - sizes.gap * (columns - 1)) / columns
    page = Page(figsize=(width * MM, height * MM))
    panels = []
    for i, line in enumerate(figure.grid):
        for j, panel in enumerate(line):
            if panel:
                x = sizes.left + j * (panel_width + sizes.gap)
                y = height - _TOP - i * step - sizes.height
                box = (x / width, y / height, panel_width / width, sizes.height / height)
                axes = page.add_axes(box)
                _title(axes, figure, panel)
                panels.append((panel, axes))
    _legend(page, handles, per_line)
    return Canvas(page, tuple(panels))


def line_style(look: Look) -> dict[str, Any]:
    """The keywords of a line with markers."""
    return {"linestyle": look.dash, **marker_style(look)}


def marker_style(look: Look) -> dict[str, Any]:
    """The keywords of a marker; a colour that is pale on white gets a dark edge."""
    edge = "#555555" if look.pale else "white"
    return {"color": look.colour, "marker": look.marker, "markeredgecolor": edge}


def row_handles(figure: Figure, lines: bool = True) -> list[Line2D]:
    """Legend entries for the rows, with the number of their runs."""
    from matplotlib.lines import Line2D

    style = line_style if lines else marker_style
    hidden: dict[str, Any] = {} if lines else {"linestyle": "none"}
    return [
        Line2D([], [], label=label, **style(figure.looks[row]), **hidden)
        for row, label in zip(figure.rows, row_labels(figure), strict=True)
    ]


def row_labels(figure: Figure) -> list[str]:
    """`M-SAM (3)` for every row: its name and number of runs; `(2-3)` where panels differ."""
    labels = []
    for row in figure.rows:
        counts = [point.runs for point in figure.points if point.row == row]
        ends = dict.fromkeys((min(counts), max(counts)))
        labels.append(f"{row} ({'-'.join(map(str, ends))})")
    return labels


def _title(axes: Axes, figure: Figure, panel: Panel) -> None:
    """Titles a panel; marks it where its numbers are of generated data or chosen on test data."""
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
