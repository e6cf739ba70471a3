"""A figure: points, the panels that show them, and its files."""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from html import escape
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.records.files import csv_text, write_bytes, write_text
from benchmarks.report.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

RESOLUTION = 200  # dots per inch of the PNG, which is for screens; the PDF is for print
# Without dates and versions the same records give the same bytes.
_METADATA = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


@dataclass(frozen=True)
class Panel:
    """The points of one dataset and output (`mm`, a modality) are drawn together."""

    dataset: str
    output: str
    title: str


@dataclass(frozen=True)
class Figure:
    """Everything that a figure shows; `paint` draws these very points and nothing else.

    A point has `dataset`, `output`, `row` (a label of `looks`), `stand_in` and
    `published_protocol`. Without points there is nothing to draw, and `absent` says why.
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
        """The points of a panel by row, in the tables' order; rows without points are absent."""
        found: dict[str, list[Any]] = defaultdict(list)
        for point in self.points:
            if (point.dataset, point.output) == (panel.dataset, panel.output):
                found[point.row].append(point)
        return {row: found[row] for row in self.rows if row in found}

    def csv(self) -> str:
        """The points as CSV, empty where there is no number."""
        header = [field.name for field in fields(self.points[0])]
        rows = map(attrgetter(*header), self.points)
        return csv_text([header, *([_cell(value) for value in row] for row in rows)])

    def svg(self) -> str:
        """The figure as an SVG element for an HTML page; texts stay texts."""
        return self.draw("svg")["svg"].decode()

    def paths(self, out: Path) -> dict[str, Path]:
        """Where `write` puts the files, by format."""
        return {suffix: out / f"{self.name}.{suffix}" for suffix in ("csv", "pdf", "png")}

    def draw(self, *formats: str) -> dict[str, bytes]:
        """The figure in these formats (`pdf`, `png`, `svg`), painted once."""
        from benchmarks.report.figures.style import typography

        with typography(self.name):
            drawing = self.paint(self)
            contents = {name: _saved(drawing, name) for name in formats}
        if "svg" in contents:
            contents["svg"] = compact(contents["svg"].decode(), self.title).encode()
        return contents

    def save(self, contents: Mapping[str, bytes], out: Path) -> list[Path]:
        """Writes the CSV and, of what `draw` gave, PDF and PNG; returns their paths."""
        paths = self.paths(out)
        write_text(paths["csv"], self.csv())
        for suffix in ("pdf", "png"):
            write_bytes(paths[suffix], contents[suffix])
        return list(paths.values())

    def write(self, out: Path) -> list[Path]:
        """Draws and writes CSV, PDF and PNG into `out`; returns their paths."""
        return self.save(self.draw("pdf", "png"), out)


def _saved(drawing: Drawing, name: str) -> bytes:
    buffer = io.BytesIO()
    options = {"pil_kwargs": {"compress_level": 3}} if name == "png" else {}  # twice as fast as 6
    drawing.savefig(buffer, format=name, dpi=RESOLUTION, metadata=_METADATA[name], **options)
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4f}"
    return value


_PATH = re.compile(r' d="([^"]*)"')
_STEP = re.compile(r"([MLCQz])([^MLCQz]*)")


def compact(svg: str, title: str) -> str:
    """The `<svg>` element alone, with coordinates to a tenth of a point.

    Names of groups and the global style sheet are removed, as they would clash or spread in a
    page; a title is added for readers who cannot see the figure.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r">\s+<", "><", _PATH.sub(lambda m: f' d="{_relative(m[1])}"', svg))
    svg = re.sub(r' (x|y)="(-?\d+\.\d)\d+"', r' \1="\2"', svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    head, body = svg.split(">", 1)
    attributes = ' role="img" stroke-linejoin="round" stroke-linecap="butt"'
    return f"{head}{attributes}><title>{escape(title)}</title>{body}"


def _relative(path: str) -> str:
    """Lines as steps of tenths from the point before; paths with curves stay as they are."""
    steps = _STEP.findall(path)
    if any(kind in "CQ" for kind, _ in steps):
        return " ".join(path.split())
    words, here, before = [], (0, 0), ""
    for kind, numbers in steps:
        if kind == "z":
            words.append("z")
        else:
            x, y = (round(10 * float(number)) for number in numbers.split())
            start = kind == "M"
            word = f"{_tenths(x)} {_tenths(y)}" if start else _step(x - here[0], y - here[1])
            words.append((kind if start else "l" if before != "L" else " ") + word)
            here = (x, y)
        before = kind
    return "".join(words)


def _step(x: int, y: int) -> str:
    return f"{_tenths(x)}{'' if y < 0 else ' '}{_tenths(y)}"


def _tenths(number: int) -> str:
    """`-.3` for -3."""
    return f"{number / 10:g}".replace("0.", ".", 1) if abs(number) < 10 else f"{number / 10:g}"
