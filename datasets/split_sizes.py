"""How many samples are in each split of a prepared folder, without loading it; free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from datasets.known import loader_of
from datasets.label_noise import taken_from
from datasets.manifest import Manifest
from datasets.protocols import THREE_PARTS


@dataclass(frozen=True)
class SplitSize:
    """The samples of a split; `distinct` says of which modalities at most so many differ."""

    samples: int
    distinct: Mapping[str, int] = field(default_factory=dict)


Sizes = dict[str, SplitSize]
"""By split: `train`, `val` and `test`, in this order."""


def split_sizes(name: str, folder: Path, options: Mapping[str, Any]) -> Sizes:
    """What loading with these options gives.

    Raises DataError if the folder is not prepared or its manifest lacks what is needed.
    """
    loader = loader_of(name)
    manifest = loader.manifest(folder)
    protocol = loader.options(taken_from(options)[1], manifest)["protocol"]
    if name not in _COUNTED:
        raise DataError(f"nothing says how many samples the splits of {name} have")
    try:
        return _COUNTED[name](folder, manifest, protocol)
    except KeyError as error:
        remedy = loader.remedy(manifest.stand_in) + " --force" * (not manifest.stand_in)
        problem = f"the manifest of {folder} does not say how many samples there are (no {error})"
        raise DataError(f"{problem}; {remedy}") from error


def _avmnist(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    from datasets.avmnist_splits import split_rows

    rows, clips = manifest.facts["rows"], manifest.facts["clips"]
    parts = split_rows({part: int(count) for part, count in rows.items()}, manifest, protocol)
    return {
        split: SplitSize(len(index), {"audio": min(len(index), int(clips[part]))})
        for split, (part, index) in parts.items()
    }


def _cremad(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    """Drawn as the loader draws them, by class or by actor: the counts alone do not say."""
    from datasets.cremad_splits import split_rows
    from datasets.store import read_arrays

    remedy = loader_of("cremad").remedy(manifest.stand_in)
    arrays = read_arrays(folder, manifest, remedy, ("clips", "labels", "is_test"))
    clips = [name.decode() for name in arrays["clips"].tolist()]
    rows = split_rows(clips, arrays["labels"], arrays["is_test"], protocol)
    return {split: SplitSize(len(index)) for split, index in rows.items()}


def _urfunny(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    items = {part: int(found["items"]) for part, found in manifest.facts["parts"].items()}
    return {split: SplitSize(items[part]) for split, part in THREE_PARTS[protocol].items()}


def _ave(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    clips = manifest.facts["clips"]
    return {split: SplitSize(int(clips[part])) for split, part in THREE_PARTS[protocol].items()}


_COUNTED: dict[str, Callable[[Path, Manifest, str], Sizes]] = {
    "avmnist": _avmnist,
    "cremad": _cremad,
    "urfunny": _urfunny,
    "ave": _ave,
}
