"""What is measured of a run's sharpness, as files: its curvature and its loss surface."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from benchmarks.records.files import write_json, write_text
from benchmarks.records.folders import Folders
from msam.parameters import Count, Interval, NonNegative, field_problems

SCHEMA: Final = 1
COLUMNS = ["x", "y", "loss", "accuracy"]  # of a loss surface
Fraction = Annotated[float, Interval(0, 1)]
Point = tuple[float, float]
Result = TypeVar("Result")
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error)


@dataclass(frozen=True)
class Rows:
    """On which rows: `samples` fixed random ones of `split`, the same for every run on this data.

    Of `train`, only rows that the run trained on.
    """

    split: Literal["train", "test"] = "train"
    samples: Count = 500

    def __post_init__(self) -> None:
        """Raises ValueError, listing everything that does not fit."""
        if problems := field_problems(type(self), asdict(self), "sharpness"):
            raise ValueError("; ".join(problems))

    @property
    def digest(self) -> str:
        """Names the settings in a file's name, so that different ones do not mix."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class CurvatureSettings(Rows):
    """`tolerance` (relative) and `iterations` stop the search for the largest eigenvalue."""

    rho: NonNegative = 0.05
    probes: Annotated[int, Interval(2)] = 30
    tolerance: NonNegative = 1e-3
    iterations: Count = 50


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


def curvature_path(folders: Folders, run_id: str, settings: CurvatureSettings) -> Path:
    """Where the curvature of a run lies; other settings have another file."""
    return folders.root / "sharpness" / f"{file_stem(run_id, settings)}.json"


def surface_path(folders: Folders, run_id: str, settings: SurfaceSettings) -> Path:
    """Where the loss surface of a run lies; other settings have another file."""
    return folders.root / "landscape" / f"{file_stem(run_id, settings)}.csv"


def file_stem(run_id: str, settings: Rows) -> str:
    """The name of a result's file, without its ending."""
    return f"{run_id}-{settings.digest}"


@dataclass(frozen=True)
class BlockCurvature:
    """The Hessian's diagonal block of one part of the model, and the loss's rise.

    `residual` is ||H v - eigenvalue v||, `trace_error` a standard error, `sharpness` the rise
    L(theta + eps) - L(theta) after SAM's ascent step within this block.
    """

    parameters: Count
    gradient_norm: NonNegative
    eigenvalue: float
    residual: NonNegative
    converged: bool
    products: Count
    trace: float
    trace_error: NonNegative
    sharpness: float


@dataclass(frozen=True)
class Curvature:
    """The curvature of one run. `rows` were there to measure on, at most `settings.samples`."""

    run_id: str
    settings: CurvatureSettings
    rows: Count
    loss: NonNegative
    accuracy: Fraction
    blocks: Mapping[str, BlockCurvature]
    environment: Mapping[str, Any] = field(default_factory=dict)
    schema: Literal[1] = SCHEMA

    def save(self, path: Path) -> None:
        """Writes it atomically."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Curvature:
        """Reads it back; ValueError names the file and what is wrong with it."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            settings = _checked(CurvatureSettings, values["settings"])
            blocks = {k: _checked(BlockCurvature, v) for k, v in values["blocks"].items()}
            found = _checked(cls, {**values, "settings": settings, "blocks": blocks})
            _check_name(path, found.run_id, settings)
        except _BROKEN as error:
            raise ValueError(f"{path} is not a readable curvature: {error}") from error
        return found


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
            settings = _checked(SurfaceSettings, header["settings"])
            _check_name(path, header["run_id"], settings)
            rows = [[float(word) for word in row] for row in csv.reader(lines)]
            points = {(x, y): (loss, accuracy) for x, y, loss, accuracy in rows}
            _check_points(points, settings)
        except _BROKEN as error:
            raise ValueError(f"{path} is not a readable loss surface: {error}") from error
        return cls(header["run_id"], settings, points)


def readable(
    load: Callable[[Path], Result], paths: Iterable[Path], say: Callable[[str], None]
) -> list[Result]:
    """What `load` reads from the files; files that it cannot read are named and left out."""
    found = []
    for path in paths:
        try:
            found.append(load(path))
        except (ValueError, OSError) as error:
            say(f"left out: {' '.join(str(error).split())}")
    return found


def _checked(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `cls`; ValueError lists the values that do not fit."""
    if problems := field_problems(cls, values, cls.__name__):
        raise ValueError("; ".join(problems))
    return cls(**values)


def _check_name(path: Path, run_id: str, settings: Rows) -> None:
    """Raises ValueError if a file was renamed, or copied to where another result belongs."""
    if path.stem != file_stem(run_id, settings):
        raise ValueError(f"it holds {file_stem(run_id, settings)}, but is named {path.stem}")


def _check_points(points: Mapping[Point, tuple[float, float]], settings: SurfaceSettings) -> None:
    axis = set(settings.axis)
    for (x, y), (loss, accuracy) in points.items():
        if x not in axis or y not in axis:
            raise ValueError(f"({x}, {y}) is not a point of its grid")
        if math.isnan(loss) or loss < 0 or not 0 <= accuracy <= 1:
            raise ValueError(f"at ({x}, {y}) loss is {loss} and accuracy {accuracy}")
