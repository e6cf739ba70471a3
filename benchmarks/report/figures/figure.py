"""What a figure is: the points that it shows, the panels that show them, the look of each row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.records.files import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Dash = str | tuple[int, tuple[float, ...]]
PALE = 0.6  # relative luminance from which a colour needs an outline on white paper


@dataclass(frozen=True)
class Look:
    """How a row is drawn; `order` is its place in the tables and the legends."""

    order: int
    colour: str
    dash: Dash
    marker: str

    @property
    def pale(self) -> bool:
        """True for a colour that is hard to see on white."""
        return luminance(self.colour) > PALE


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` in [0, 1], as WCAG 2 defines it: what is left in grey."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@dataclass(frozen=True)
class Panel:
    """Shows the points of one dataset and one output: a modality, or `mm` for fused."""

    dataset: str
    output: str
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """Everything that a figure shows; `paint` draws these points and nothing else.

    A point has `dataset`, `output`, `row` (a label of `looks`), `stand_in` and
    `published_protocol`. A figure without points is not drawn, and `absent` says why.
    """

    name: str
    title: str
    caption: str
    points: Sequence[Any]
    grid: Sequence[Sequence[Panel | None]]
    looks: Mapping[str, Look]
    paint: Callable[[Figure], Drawing]
    absent: str

    @property
    def stand_in(self) -> bool:
        """True if any point comes from generated data."""
        return any(point.stand_in for point in self.points)

    @property
    def rows(self) -> list[str]:
        """The labels that have points, in the tables' order."""
        return sorted({p.row for p in self.points}, key=lambda label: self.looks[label].order)

    def at(self, panel: Panel) -> dict[str, list[Any]]:
        """The points of a panel by row, in the tables' order; rows without points are left out."""
        found: dict[str, list[Any]] = defaultdict(list)
        for point in self.points:
            if (point.dataset, point.output) == (panel.dataset, panel.output):
                found[point.row].append(point)
        return {row: found[row] for row in self.rows if row in found}

    def is_leftmost(self, panel: Panel) -> bool:
        """True for the first panel of a line: only that one labels its vertical axis."""
        return any(next(filter(None, line)) is panel for line in self.grid)

    def csv(self) -> str:
        """The points as CSV; a missing number is an empty field."""
        header = [field.name for field in fields(self.points[0])]
        rows = map(attrgetter(*header), self.points)
        return csv_text([header, *([_cell(value) for value in row] for row in rows)])

    def paths(self, out: Path) -> dict[str, Path]:
        """The figure's files in the folder `out`, by format."""
        return {suffix: out / f"{self.name}.{suffix}" for suffix in ("csv", "pdf", "png")}


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value
