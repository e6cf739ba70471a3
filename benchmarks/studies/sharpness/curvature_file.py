"""The curvature of a run as a file, and the rows on which it is measured. Free of torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks.records.files import write_json
from msam.parameters import Count, Interval, NonNegative, field_problems

SCHEMA = 1
Fraction = Annotated[float, Interval(0, 1)]


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
            settings = checked(CurvatureSettings, values["settings"])
            blocks = {k: checked(BlockCurvature, v) for k, v in values["blocks"].items()}
            found = checked(cls, {**values, "settings": settings, "blocks": blocks})
            check_name(path, found.run_id, settings)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is no readable curvature: {error}") from error
        return found


def readable(
    load: Callable[[Path], object], paths: Iterable[Path], say: Callable[[str], None]
) -> list[Path]:
    """The files that `load` reads; the others are named and left out."""
    found = []
    for path in paths:
        try:
            load(path)
        except (ValueError, OSError) as error:
            say(f"left out: {' '.join(str(error).split())}")
            continue
        found.append(path)
    return found


def file_stem(run_id: str, settings: Rows) -> str:
    """The name of a result's file: different settings lie side by side."""
    return f"{run_id}-{settings.digest}"


def checked(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance of the dataclass `cls`; ValueError lists the values that do not fit."""
    if problems := field_problems(cls, values, cls.__name__):
        raise ValueError("; ".join(problems))
    return cls(**values)


def check_name(path: Path, run_id: str, settings: Rows) -> None:
    """Raises ValueError if a file was renamed, or copied to where another result belongs."""
    if path.stem != file_stem(run_id, settings):
        raise ValueError(f"it holds {file_stem(run_id, settings)}, but is named {path.stem}")
