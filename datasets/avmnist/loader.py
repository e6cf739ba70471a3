"""AV-MNIST: PCA-degraded MNIST images and spectrograms of spoken digits (10 classes).

It is rebuilt from MNIST and FSDD. Options of `load`: `pairing` is `scrambled` (clips in the
completion order of the published generator, so that most clips say another digit: the data the
published numbers come from, most probably), `aligned` (every clip says its image's digit), or
`scrambled_1` and so on, scrambled with job times that vary by 1 % instead of 5 %, for forensics;
`components` is the number of PCA components per image (4 fits the published data, 3 is the
generator's code as stored). `source` is `rebuilt`, or `archive` for the published archive as
`forensics archive` has stored it: with its own pairing and all its components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.avmnist.spec import (
    ARCHIVE_FILE,
    COMPONENTS,
    OTHER_VERSIONS,
    PARTS,
    RECIPE_VERSION,
    SOURCES,
    SPEC,
    SPREADS,
)
from datasets.errors import DataError, unknown
from datasets.loader import Loader
from datasets.spec import PROTOCOLS, FetchOptions, Progress, SplitSize
from datasets.store.manifest import Manifest, up_to_date

if TYPE_CHECKING:
    from datasets.audit.findings import Finding
    from datasets.tensors.dataset import SplitTensors


REBUILT, ARCHIVE = "rebuilt", "archive"
READ_ARCHIVE = f"./reproduce.sh forensics archive --raw {ARCHIVE_FILE}"


class AvMnist(Loader):
    """The AV-MNIST loader. Its raw files are pinned and downloaded."""

    spec = SPEC
    recipe_version = RECIPE_VERSION
    options: ClassVar = {  # type: ignore[misc]
        "pairing": ("scrambled", "aligned", *SPREADS),
        "protocol": PROTOCOLS,
    }
    sources, other_versions = SOURCES, OTHER_VERSIONS

    def with_defaults(self, given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
        chosen = dict(given)
        source, components = chosen.pop("source", REBUILT), chosen.pop("components", COMPONENTS)
        options = super().with_defaults(chosen, manifest)
        if source == ARCHIVE:
            if options.pop("pairing") != self.options["pairing"][0] or str(components) != str(
                COMPONENTS
            ):
                raise DataError("source=archive has its own pairing and components; leave them out")
            return {**options, "source": source}
        prepared = manifest.recipe["components"]
        # Configuration files and the command line may give numbers as text.
        if str(components) not in map(str, range(1, prepared + 1)):
            raise DataError(f"components={components!r}; prepared are 1 to {prepared}")
        return {**options, "components": int(components)}

    def stored_in(self, folder: Path, given: Mapping[str, Any]) -> Path:
        source = given.get("source", REBUILT)
        if source not in (REBUILT, ARCHIVE):
            raise unknown("source", source, (REBUILT, ARCHIVE))
        if source == REBUILT:
            return folder
        archive = self.archive_folder(folder)
        if not archive.exists():
            raise DataError(f"there is no {archive}; type {READ_ARCHIVE} first")
        return archive

    def archive_folder(self, folder: Path) -> Path:
        """Where the published archive is stored, beside the rebuilt data."""
        return folder.with_name(f"{folder.name}-archive")

    def places(self, raw: Sequence[Path], folder: Path) -> Sequence[Path]:
        """What `raw` names. Without it, what is missing is downloaded."""
        return raw

    def current(self, places: Sequence[Path], folder: Path, progress: Progress) -> Manifest | None:
        """The raw files are pinned, so the prepared folder alone tells."""
        from datasets.avmnist.prepare import SEED, recipe_of
        from datasets.avmnist.raw import PUBLISHED

        return up_to_date(folder, recipe_of(PUBLISHED, SEED))

    def stand_in_recipe(self, seed: int) -> dict[str, Any]:
        from datasets.avmnist.prepare import recipe_of
        from datasets.avmnist.raw import stand_in_release

        return recipe_of(stand_in_release(self.generated(seed)), seed)

    def write_raw(self, folder: Path, seed: int) -> None:
        from datasets.avmnist.stand_in import write_raw

        write_raw(folder, seed)

    def build_published(
        self, places: Sequence[Path], folder: Path, fetching: FetchOptions, progress: Progress
    ) -> Manifest:
        from datasets.avmnist.raw import download

        places = places or [download(self.raw_folder(folder), fetching, progress)]
        return self.build(places, folder, None, progress)

    def build(
        self, places: Sequence[Path], folder: Path, seed: int | None, progress: Progress
    ) -> Manifest:
        from datasets.avmnist.prepare import SEED, prepare_release
        from datasets.avmnist.raw import PUBLISHED, stand_in_release

        if seed is not None:
            release = stand_in_release(self.generated(seed))
            return prepare_release(places, folder, release, seed, progress)
        return prepare_release(places, folder, PUBLISHED, SEED, progress)

    def notes(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        lines = []
        for part in PARTS:
            moved = facts["scrambled"][part]
            lines.append(
                f"{part}: {facts['rows'][part]} images, {facts['clips'][part]} recordings; "
                f"scrambled: {100 * moved['in_place']:.1f} % of rows keep their recording, "
                f"{100 * moved['same_label']:.1f} % one of the right digit"
            )
        return tuple(lines)

    def load_splits(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> tuple[list[SplitTensors], str]:
        from datasets.avmnist.load import load_splits

        remedy = self.remedy(manifest.stand_in)
        if options.get("source") == ARCHIVE:
            remedy = f"type {READ_ARCHIVE}"
        return load_splits(folder, manifest, remedy, options)

    def split_sizes(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> dict[str, SplitSize]:
        from datasets.avmnist.pairing import split_rows

        rows, clips = manifest.facts["rows"], manifest.facts["clips"]
        parts = {part: int(count) for part, count in rows.items()}
        return {
            split: SplitSize(len(index), {"audio": min(len(index), int(clips[part]))})
            for split, (part, index) in split_rows(parts, manifest, options["protocol"]).items()
        }

    def train_shares(self, folder: Path, pairing: str) -> tuple[float, float]:
        """Shares in [0, 1] of the training rows that keep their recording, and a right digit's."""
        from datasets.avmnist.pairing import train_shares

        manifest = self.manifest(folder)
        return train_shares(folder, manifest, self.remedy(manifest.stand_in), pairing)

    def audit(self, raw: Sequence[Path], prepared: Path) -> list[Finding]:
        from datasets.avmnist.audit import findings, prepared_findings

        if not prepared.exists():
            return [*findings(raw), *self.nothing_to_audit("prepared rows")]
        manifest = self.manifest(prepared)
        remedy = self.remedy(manifest.stand_in)
        return [*findings(raw), *prepared_findings(prepared, manifest, remedy)]

    def prepare_command(self) -> str:
        return "./reproduce.sh data prepare avmnist (or add --raw DIR if you have the files)"
