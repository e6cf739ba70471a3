"""What one dataset offers the rest of the suite; a new dataset is one subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.errors import DataError, unknown
from datasets.spec import DatasetSpec
from datasets.store.manifest import Manifest, digest_of, read_manifest

if TYPE_CHECKING:
    from datasets.tensors.dataset import Dataset

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); the total is 0 while unknown."""


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did: `fresh` is False when the folder was already up to date."""

    fresh: bool
    folder: Path
    manifest: Manifest
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report for people, several lines."""
        size_mb = self.manifest.total_bytes() / 1e6
        done = "prepared" if self.fresh else "already up to date"
        return "\n  ".join((f"{self.folder}: {done}, {size_mb:.1f} MB", *self.notes))


class Loader(ABC):
    """Turns raw releases into a prepared folder, and a prepared folder into a Dataset."""

    spec: DatasetSpec
    """As loaded with the default options; others may change a shape."""

    recipe_version: int
    """Raised whenever the preparation changes; older folders must then be prepared again."""

    choices: Mapping[str, tuple[str, ...]] = {}
    """The options of `load`, each with its values, the default first."""

    def options(self, given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
        """The complete loading options; raises DataError on an unknown or impossible one."""
        for key, value in given.items():
            if key not in self.choices:
                raise unknown(f"option of {self.spec.name}", key, self.choices)
            if value not in self.choices[key]:
                raise unknown(key, value, self.choices[key])
        return {**{key: values[0] for key, values in self.choices.items()}, **given}

    @abstractmethod
    def load(self, folder: Path, options: Mapping[str, Any]) -> Dataset:
        """Reads and verifies a prepared folder."""

    @abstractmethod
    def prepare(
        self, raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
    ) -> PrepareReport:
        """Builds the prepared folder from raw files; downloads them if `raw` is empty."""

    @abstractmethod
    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        """Builds the prepared folder from generated raw files."""

    def manifest(self, folder: Path) -> Manifest:
        """The manifest of a prepared folder; raises DataError, with what to type, if none."""
        manifest = read_manifest(folder)
        if manifest is None:
            raise DataError(f"{self.spec.name} is not prepared in {folder}; {self.remedy()}")
        if manifest.dataset != self.spec.name:
            raise DataError(f"{folder} holds {manifest.dataset!r}, not {self.spec.name!r}")
        if manifest.recipe["version"] != self.recipe_version:
            raise DataError(f"{folder} is of another version of this suite; {self.remedy()}")
        return manifest

    def fingerprint(self, manifest: Manifest, given: Mapping[str, Any]) -> str:
        """Identifies the data that loading with these options gives (64 hex digits)."""
        options = self.options(given, manifest)
        # The first protocol is left out: it was the only one when the first runs were recorded.
        if options.get("protocol") == self.choices.get("protocol", (None,))[0]:
            options.pop("protocol", None)
        return digest_of([manifest.fingerprint, options])

    def device_bytes(self, manifest: Manifest, options: Mapping[str, Any]) -> int:
        """The device memory that the loaded data takes; a loader that leaves arrays out says so."""
        return manifest.total_bytes()

    def remedy(self, stand_in: bool = False) -> str:
        """What to type when data is missing or damaged."""
        if stand_in:
            return "delete the folder: stand-in data is generated again when it is needed"
        name = self.spec.name
        return f"type ./reproduce.sh data prepare {name} (or add --raw DIR if you have the files)"


@dataclass(frozen=True)
class SplitSize:
    """The samples of a split; `distinct` says of which modalities at most so many differ."""

    samples: int
    distinct: Mapping[str, int] = field(default_factory=dict)


Sizes = dict[str, SplitSize]
