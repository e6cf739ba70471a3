"""Every verb on a dataset, by name. Torch is imported only by `load`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.catalog import DatasetSpec
from datasets.known import LOADERS, loader_of
from datasets.label_noise import taken_from, with_label_noise
from datasets.loader import PrepareReport, Progress, silent
from datasets.status import PreparedState, fingerprint, prepared_state

if TYPE_CHECKING:
    from datasets.spec import Dataset

__all__ = [
    "LOADERS",
    "PrepareReport",
    "PreparedState",
    "fingerprint",
    "generate_stand_in",
    "load",
    "prepare",
    "prepared_state",
    "protocols",
    "spec",
]


def spec(name: str) -> DatasetSpec:
    """Shapes and classes of a dataset, whether or not it is prepared."""
    return loader_of(name).spec


def protocols(name: str) -> tuple[str, ...]:
    """The ways to split a dataset, the default first."""
    return loader_of(name).choices["protocol"]


def load(name: str, folder: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """Loads a prepared folder, every file verified; raises DataError with what to type.

    Every dataset has the option `label_noise`, see `label_noise`, beside those of its loader.
    """
    percent, others = taken_from(options or {})
    return with_label_noise(loader_of(name).load(Path(folder), others), percent)


def prepare(
    name: str,
    raw: Sequence[Path],
    folder: Path,
    *,
    progress: Progress | None = None,
    force: bool = False,
) -> PrepareReport:
    """Prepares a dataset from `raw` files, folders or archives; without any, downloads them first.

    Downloads go to `<data>/raw/<name>`, where `folder` is `<data>/prepared/<name>`. The folder
    appears complete or not at all; one that is complete already stays, unless `force`. Raises
    DataError.
    """
    places = [Path(place) for place in raw]
    report = progress or silent
    return loader_of(name).prepare(places, Path(folder), progress=report, force=force)


def generate_stand_in(
    name: str, folder: Path, seed: int = 0, *, progress: Progress | None = None
) -> PrepareReport:
    """Prepares small generated data in the dataset's own raw formats; raises DataError."""
    return loader_of(name).generate_stand_in(Path(folder), seed, progress=progress or silent)
