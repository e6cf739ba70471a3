"""The loss surface of a run as a file, complete or not. Free of torch."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from benchmarks.records.files import write_text
from benchmarks.studies.sharpness.curvature_file import SCHEMA, Rows, check_name, checked
from msam.parameters import Interval

COLUMNS = ["x", "y", "loss", "accuracy"]
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error)
Point = tuple[float, float]


@dataclass(frozen=True)
class SurfaceSettings(Rows):
    """A square of `grid` x `grid` points from -`span` to `span`, around the trained weights."""

    grid: Annotated[int, Interval(3)] = 21
    span: Annotated[float, Interval(1e-6)] = 1.0
    seed: Annotated[int, Interval(0)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid % 2 == 0:
            raise ValueError(f"sharpness grid is {self.grid}; it must be odd, to have a centre")

    @property
    def axis(self) -> list[float]:
        """The coordinates of the points, 0 among them."""
        return [self.span * (2 * k / (self.grid - 1) - 1) for k in range(self.grid)]


@dataclass(frozen=True)
class Surface:
    """The loss surface of one run: {(x, y): (loss, accuracy)}, as far as it was computed."""

    run_id: str
    settings: SurfaceSettings
    points: dict[Point, tuple[float, float]] = field(default_factory=dict)

    def missing(self) -> list[Point]:
        """The points not computed yet, row by row."""
        axis = self.settings.axis
        return [(x, y) for y in axis for x in axis if (x, y) not in self.points]

    def save(self, path: Path) -> None:
        """Writes CSV atomically, the settings in a comment above it."""
        text = io.StringIO()
        header = {"schema": SCHEMA, "run_id": self.run_id, "settings": asdict(self.settings)}
        text.write(f"# {json.dumps(header)}\n")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([*point, *value] for point, value in self.points.items())
        write_text(path, text.getvalue())

    @classmethod
    def load(cls, path: Path) -> Surface:
        """Reads it back, complete or not; ValueError names the file and what is wrong with it."""
        try:
            first, columns, *lines = path.read_text(encoding="utf-8").splitlines()
            header = json.loads(first.removeprefix("# "))
            if header["schema"] != SCHEMA or columns.split(",") != COLUMNS:
                raise ValueError(f"its schema or its columns are not {SCHEMA} and {COLUMNS}")
            settings = checked(SurfaceSettings, header["settings"])
            check_name(path, header["run_id"], settings)
            rows = [[float(word) for word in row] for row in csv.reader(lines)]
            points = {(x, y): (loss, accuracy) for x, y, loss, accuracy in rows}
            _check_points(points, settings)
        except _BROKEN as error:
            raise ValueError(f"{path} is no readable loss surface: {error}") from error
        return cls(header["run_id"], settings, points)


def _check_points(points: Mapping[Point, tuple[float, float]], settings: SurfaceSettings) -> None:
    axis = set(settings.axis)
    for (x, y), (loss, accuracy) in points.items():
        if x not in axis or y not in axis:
            raise ValueError(f"({x}, {y}) is no point of its grid")
        if math.isnan(loss) or loss < 0 or not 0 <= accuracy <= 1:
            raise ValueError(f"at ({x}, {y}) loss is {loss} and accuracy {accuracy}")
