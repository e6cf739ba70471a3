"""Loads the data that a run was planned on, and tells whether its files changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmarks.plan.experiment import Experiment
from benchmarks.plan.workspace import loader_options, prepared_folder
from datasets import registry
from datasets.store.manifest import file_sha256, read_manifest
from datasets.store.system import listed
from datasets.tensors.dataset import Dataset

Version = tuple[int, int, int]  # inode, size and time of a file


class OtherData(ValueError):
    """The prepared data is not the data that the run was planned on."""


@dataclass(frozen=True)
class Planned:
    """A loaded dataset and the versions of its files, taken before they were read.

    Arrays are mapped, not copied: what is written into a file changes the data of a run.
    """

    dataset: Dataset
    versions: dict[Path, Version]
    digests: Mapping[str, str]  # sha256 by array, as the manifest says

    def changed(self) -> list[Path]:
        """The files that were written into since.

        A file that was replaced does not count, as the mapping keeps the old one; nor does one that
        was touched or copied back, as it has the same content.
        """
        now = {path: _version(path) for path in self.versions}
        return [
            path
            for path, version in self.versions.items()
            if (found := now[path]) and found[0] == version[0] and self._differs(path, found)
        ]

    def _differs(self, path: Path, found: Version) -> bool:
        if found == self.versions[path]:
            return False
        if file_sha256(path) != self.digests.get(path.stem):
            return True
        self.versions[path] = found
        return False


def load_planned(experiment: Experiment) -> Planned:
    """The experiment's dataset, loaded and verified again if its files were written into.

    Raises OtherData if it is not the one that was planned on, DataError if it is damaged.
    """
    place = (
        experiment.dataset,
        tuple(sorted(loader_options(experiment.data).items())),
        prepared_folder(experiment.dataset, bool(experiment.data["stand_in"])),
    )
    if _load(*place).changed():
        _load.cache_clear()
    planned = _load(*place)
    wanted, found = experiment.data["fingerprint"], planned.dataset.fingerprint
    if found != wanted:
        raise OtherData(
            f"{experiment.run_id} was planned on data {wanted}, but what is prepared now is "
            f"{found}; start again"
        )
    return planned


@lru_cache(maxsize=1)
def _load(name: str, options: tuple[tuple[str, object], ...], folder: Path) -> Planned:
    files = listed(folder, "*.npy")
    versions = {path: version for path in files if (version := _version(path))}
    dataset = registry.load(name, folder, dict(options))
    manifest = read_manifest(folder)
    arrays = manifest.arrays if manifest else {}
    return Planned(dataset, versions, {array: entry.sha256 for array, entry in arrays.items()})


def _version(path: Path) -> Version | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
