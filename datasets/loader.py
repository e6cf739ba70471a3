"""The base class of every dataset: prepare it, generate a stand-in, load it, count it, audit it.

A dataset is one folder of this package with a `loader.py` that holds one subclass of `Loader`.
`docs/add-a-dataset.md` walks through one.
"""

from __future__ import annotations

import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.errors import DataError, unknown
from datasets.raw.content import check_file
from datasets.raw.find import first_good, search
from datasets.spec import (
    NO_CONSENT,
    PROTOCOLS,
    THREE_PARTS,
    DatasetSpec,
    FetchOptions,
    Progress,
    RawSource,
    SplitSize,
)
from datasets.store.manifest import (
    Manifest,
    digest_of,
    file_sha256,
    read_manifest,
    refuse_to_replace_real_data,
    up_to_date,
)

if TYPE_CHECKING:
    import numpy as np

    from datasets.audit.findings import Finding
    from datasets.store.arrays import Streamed
    from datasets.tensors.dataset import Dataset, SplitTensors


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did. `fresh` is False when the folder was already up to date."""

    fresh: bool
    folder: Path
    manifest: Manifest
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report for people, several lines."""
        size_mb = self.manifest.total_bytes() / 1e6
        done = "prepared" if self.fresh else "already up to date"
        return "\n  ".join((f"{self.folder}: {done}, {size_mb:.1f} MB", *self.notes))


@dataclass(frozen=True)
class Converted:
    """What the raw files became: arrays to store by name, and facts for the manifest."""

    arrays: Mapping[str, np.ndarray | Streamed]
    facts: Mapping[str, Any]


class Loader(ABC):
    """Turns raw files into a prepared folder, and a prepared folder into a Dataset.

    A subclass sets `spec`, `recipe_version`, `sources` and `raw_files`, and defines `write_raw`
    and `read_raw`. Everything else has a default for the plain layout (see `datasets.plain`) and
    three official parts; override what differs.
    """

    spec: DatasetSpec
    """The published data, as loaded with the default options."""

    stand_in_spec: DatasetSpec | None = None
    """The stand-in data, where it has other shapes or classes than `spec`."""

    recipe_version: int
    """Raise it whenever the preparation changes. Older folders must then be prepared again."""

    stand_in_version = "1"
    """Raise it whenever the generated raw files change."""

    options: Mapping[str, tuple[str, ...]] = {"protocol": PROTOCOLS}
    """The options of loading, each with its values, the default first."""

    sources: tuple[RawSource, ...] = ()
    """Where the raw files come from."""

    other_versions: tuple[RawSource, ...] = ()
    """What else goes by the name of this dataset and is not read."""

    raw_files: tuple[str, ...] = ()
    """The names of the raw files that a preparation needs."""

    extra_raw_files: tuple[str, ...] = ()
    """The names of raw files that are read where they exist."""

    bench_batch_cpu = 64
    """Samples per step when `bench` times the paper's network on a CPU."""

    bench_methods_at_once: int | None = None
    """How many methods `bench` keeps in memory together; None means all of them."""

    # What a dataset looks like.

    def spec_of(self, stand_in: bool) -> DatasetSpec:
        """Shapes and classes of the published data or of the stand-in, with default options."""
        return (self.stand_in_spec if stand_in else None) or self.spec

    def loaded_spec(self, manifest: Manifest, options: Mapping[str, Any]) -> DatasetSpec:
        """Shapes and classes of a prepared folder that is loaded with complete `options`."""
        return self.spec_of(manifest.stand_in)

    def with_defaults(self, given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
        """The complete loading options. Raises DataError for an unknown or impossible one."""
        for key, value in given.items():
            if key not in self.options:
                raise unknown(f"option of {self.spec.name}", key, self.options)
            if value not in self.options[key]:
                raise unknown(key, value, self.options[key])
        return {**{key: values[0] for key, values in self.options.items()}, **given}

    # Raw files -> prepared folder.

    def prepare(
        self,
        raw: Sequence[Path],
        folder: Path,
        *,
        progress: Progress,
        force: bool,
        fetching: FetchOptions = NO_CONSENT,
    ) -> PrepareReport:
        """Builds the prepared folder from raw files, unless it already holds their data.

        Raises DataError that names a missing or wrong file.
        """
        places = self.places(raw, folder)
        current = None if force else self.current(places, folder, progress)
        if current is None:
            _make_way(folder, progress)
        manifest = current or self.build_published(places, folder, fetching, progress)
        return PrepareReport(current is None, folder, manifest, self.notes(manifest.facts))

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        """Builds the prepared folder from generated raw files, unless it already holds them."""
        manifest = up_to_date(folder, self.stand_in_recipe(seed))
        fresh = manifest is None
        if fresh:
            refuse_to_replace_real_data(folder)
            _make_way(folder, progress)
            with tempfile.TemporaryDirectory() as raw:
                self.write_raw(Path(raw), seed)
                manifest = self.build([Path(raw)], folder, seed, progress)
        return PrepareReport(fresh, folder, manifest, self.notes(manifest.facts))  # type: ignore[arg-type, union-attr]

    def places(self, raw: Sequence[Path], folder: Path) -> Sequence[Path]:
        """Where to look for raw files: `raw`, or else `<data>/raw/<name>` if it exists."""
        return raw or [place for place in [self.raw_folder(folder)] if place.is_dir()]

    def raw_folder(self, folder: Path) -> Path:
        """Where downloads for this prepared folder go: `<data>/raw/<name>`."""
        return folder.parent.parent / "raw" / self.spec.name

    def current(self, places: Sequence[Path], folder: Path, progress: Progress) -> Manifest | None:
        """The manifest of an undamaged folder that holds the data of the raw files.

        Without raw files, any published data of this version will do.
        """
        try:
            manifest = read_manifest(folder)
        except DataError:
            return None
        if manifest is None or manifest.stand_in:
            return None
        if manifest.recipe.get("version") != self.recipe_version:
            return None
        if places and manifest.raw != _checksums(self.find_raw(places), progress):
            return None
        return up_to_date(folder, manifest.recipe)

    def build_published(
        self, places: Sequence[Path], folder: Path, fetching: FetchOptions, progress: Progress
    ) -> Manifest:
        """Builds the prepared folder of published files, which may be downloaded first."""
        if fetching.accept_licence:
            places = self.fetched(places, self.raw_folder(folder), fetching, progress)
        return self.build(places, folder, None, progress)

    def fetched(
        self, places: Sequence[Path], raw: Path, fetching: FetchOptions, progress: Progress
    ) -> Sequence[Path]:
        """The places and `raw`, to which every automatic source that they lack is downloaded."""
        from datasets.raw.drive import fetch_from_drive
        from datasets.raw.fetch import fetch

        automatic = [source for source in self.sources if source.automatic]
        there = search(places)
        for source in automatic:
            if there.named(source.file):
                continue
            if source.on_drive:
                progress(f"downloading {source.file}", 0, 0)
                fetch_from_drive(source, raw)
            else:
                fetch(fetching.of(source), raw, progress=progress)
        return [*places, raw] if raw.is_dir() else places

    def build(
        self, places: Sequence[Path], folder: Path, seed: int | None, progress: Progress
    ) -> Manifest:
        """Builds the prepared folder: of published files, or of those generated with a `seed`."""
        from datasets.store.arrays import write_store

        stand_in = seed is not None
        files = self.find_raw(places, stand_in)
        converted = self.convert(files, stand_in, progress)
        sha256 = _checksums(files, progress)
        recipe = self.stand_in_recipe(seed) if stand_in else self.recipe(sha256)  # type: ignore[arg-type]
        return write_store(
            folder,
            converted.arrays,
            dataset=self.spec.name,
            stand_in=stand_in,
            recipe=recipe,
            raw=sha256,
            facts=converted.facts,
            fingerprint=digest_of(recipe),
        )

    @abstractmethod
    def write_raw(self, folder: Path, seed: int) -> None:
        """Writes small generated files below `folder`, in the publishers' own formats.

        They go through the same preparation as the published files.
        """

    def find_raw(self, places: Sequence[Path], stand_in: bool = False) -> dict[str, Path]:
        """The raw files by name, at most four levels below `places`.

        Of several files with one name, the first that `check_raw` accepts. Raises DataError that
        lists the missing ones and where to get them, or says why none of a name can be used.
        """
        found = search(places)
        if missing := [name for name in self.raw_files if not found.named(name)]:
            looked_in = ", ".join(map(str, places)) or "no folder"
            addresses = ", ".join(url for source in self.sources for url in source.urls)
            raise DataError(
                f"{self.spec.name}: {', '.join(missing)} missing (looked in: {looked_in}"
                f"{found.why_missing(missing)}); "
                f"fetch the files from {addresses} and name their folder with --raw DIR"
                f"{self.consent_hint()}"
            )
        chosen = {}
        for name in (*self.raw_files, *self.extra_raw_files):
            if candidates := found.named(name):
                check = partial(self.check_raw, name, stand_in=stand_in)
                chosen[name] = first_good(name, candidates, check)
        return chosen

    def check_raw(self, name: str, path: Path, *, stand_in: bool) -> Path:
        """The path, if the file may be the raw file `name`; raises DataError if it is not.

        Called for each file of this name, before the first long wait.
        """
        check_file(path)
        return path

    def recipe(self, sha256: Mapping[str, str]) -> dict[str, Any]:
        """All that decides the data: the checksums of the raw files that are used."""
        return {"version": self.recipe_version, "raw": dict(sha256)}

    def stand_in_recipe(self, seed: int) -> dict[str, Any]:
        """All that decides the stand-in data. The generator counts, not the bytes of its files:
        those may depend on the libraries that write them."""
        return {"version": self.recipe_version, "raw": self.generated(seed)}

    def generated(self, seed: int) -> dict[str, str]:
        """What stands for the raw files in the recipe of stand-in data."""
        return {"generated": self.stand_in_version, "seed": str(seed)}

    def convert(self, files: Mapping[str, Path], stand_in: bool, progress: Progress) -> Converted:
        """The arrays and facts to store. By default what `read_raw` gives, in the plain layout."""
        from datasets.plain import arrays_of

        progress("reading", 0, 0)
        try:
            parts = self.read_raw(files)
        except DataError:
            raise
        except (OSError, LookupError, ValueError, EOFError, zipfile.BadZipFile) as error:
            names = ", ".join(map(str, files.values()))
            raise DataError(f"{names} cannot be read: {error}; fetch the files again") from error
        arrays = arrays_of(parts, self.spec_of(stand_in))
        return Converted(arrays, {"samples": {p: len(part["labels"]) for p, part in parts.items()}})

    def read_raw(self, files: Mapping[str, Path]) -> dict[str, dict[str, np.ndarray]]:
        """For each part (`train`, `val`, `test`): every modality (N, *shape), and `labels` (N,)."""
        raise NotImplementedError(f"{type(self).__name__} defines neither read_raw nor convert")

    def notes(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """The facts of a preparation as lines for people."""
        return tuple(f"{part}: {count} samples" for part, count in facts["samples"].items())

    # Prepared folder -> Dataset.

    def load(self, folder: Path, given: Mapping[str, Any]) -> Dataset:
        """Reads and verifies a prepared folder. Raises DataError with what to type."""
        from datasets.tensors.dataset import Dataset

        folder = self.stored_in(folder, given)
        manifest = self.manifest(folder)
        options = self.with_defaults(given, manifest)
        splits, rows = self.load_splits(folder, manifest, options)
        spec, identity = self.loaded_spec(manifest, options), self.fingerprint(manifest, given)
        return Dataset(spec, *splits, identity, rows, manifest.stand_in)  # type: ignore[arg-type, call-arg]

    def stored_in(self, folder: Path, given: Mapping[str, Any]) -> Path:
        """The prepared folder that holds the data of these options: `folder`, or one beside it."""
        return folder

    def load_splits(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> tuple[list[SplitTensors], str]:
        """Train, validation and test, and the fingerprint of the split.

        `options` are complete.
        """
        from datasets.plain import load_splits

        modalities, remedy = self.spec.modalities, self.remedy(manifest.stand_in)
        return load_splits(folder, manifest, remedy, modalities, options["protocol"])

    def split_sizes(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> dict[str, SplitSize]:
        """The samples of `train`, `val` and `test`, in this order, with complete `options`.

        Raises KeyError if the manifest does not say it.
        """
        counts = self.part_sizes(manifest)
        stored = THREE_PARTS[options["protocol"]]
        return {split: SplitSize(int(counts[part]), {}) for split, part in stored.items()}

    def part_sizes(self, manifest: Manifest) -> Mapping[str, int]:
        """The samples of each official part."""
        return manifest.facts["samples"]

    def audit(self, raw: Sequence[Path], prepared: Path) -> list[Finding]:
        """What can be found in the raw files and the prepared folder; either may be missing.

        Raises DataError for a damaged file.
        """
        from datasets.plain import findings

        if not prepared.exists():
            return self.nothing_to_audit()
        manifest = self.manifest(prepared)
        remedy = self.remedy(manifest.stand_in)
        return findings(prepared, manifest, remedy, self.spec.modalities)

    def nothing_to_audit(self, check: str = "everything") -> list[Finding]:
        """The finding that a check lacks the prepared data, and what to type."""
        from datasets.audit.findings import Finding

        return [Finding(check, "not checked", f"the prepared data: {self.remedy()}")]

    def manifest(self, folder: Path) -> Manifest:
        """The manifest of a prepared folder. Raises DataError, with what to type, if none."""
        manifest = read_manifest(folder)
        if manifest is None:
            raise DataError(f"{self.spec.name} is not prepared in {folder}; {self.remedy()}")
        if manifest.dataset != self.spec.name:
            raise DataError(f"{folder} holds {manifest.dataset!r}, not {self.spec.name!r}")
        if manifest.recipe["version"] != self.recipe_version:
            raise DataError(
                f"{folder} was prepared by another version of this suite; {self.remedy()}"
            )
        return manifest

    def fingerprint(self, manifest: Manifest, given: Mapping[str, Any]) -> str:
        """Identifies the data that loading with these options gives (64 hex digits)."""
        options = self.with_defaults(given, manifest)
        # The first protocol is left out: it was the only one when the first runs were recorded.
        if options["protocol"] == self.options["protocol"][0]:
            options.pop("protocol")
        return digest_of([manifest.fingerprint, options])

    def device_bytes(self, manifest: Manifest, options: Mapping[str, Any]) -> int:
        """The device memory that the loaded data takes."""
        return manifest.total_bytes()

    def consent_hint(self) -> str:
        """What to type to have files downloaded, if any waits for a user's consent."""
        waiting = [source for source in self.sources if source.needs_consent]
        if not waiting:
            return ""
        licences = "; ".join(dict.fromkeys(source.licence for source in waiting))
        extra = " (with gdown: pip install -r requirements-extra.txt)"
        return (
            f"; or, if you accept the licence ({licences}), type ./reproduce.sh data prepare "
            f"{self.spec.name} --accept-licence{extra * any(s.on_drive for s in waiting)}"
        )

    def remedy(self, stand_in: bool = False) -> str:
        """What to type when data is missing or damaged."""
        if stand_in:
            return "delete the folder: stand-in data is generated again when it is needed"
        return f"type {self.prepare_command()}"

    def prepare_command(self) -> str:
        """The command that prepares the published data."""
        return (
            f"./reproduce.sh data prepare {self.spec.name} --raw DIR, with the files that "
            "./reproduce.sh data sources names"
        )


def _make_way(folder: Path, progress: Progress) -> None:
    """Refuses a folder that cannot be replaced, and removes what killed preparations left."""
    from datasets.store.atomic import check_target, remove_leftovers

    check_target(folder)
    for line in remove_leftovers(folder):
        progress(line, 0, 0)


def _checksums(files: Mapping[str, Path], progress: Progress) -> dict[str, str]:
    """The sha256 of every file by its name."""
    digests = {}
    for done, (name, path) in enumerate(sorted(files.items()), 1):
        digests[name] = file_sha256(path)
        progress("checksums", done, len(files))
    return digests
