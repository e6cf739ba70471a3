"""AV-MNIST: PCA-degraded MNIST images and spectrograms of spoken digits (10 classes).

As rebuilt from MNIST and FSDD only. Options of `load`: `pairing` is `scrambled` (clips in the
completion order of the published generator, so that most clips say another digit: the data the
published numbers come from, most probably), `aligned` (every clip says its image's digit), or
`scrambled_1` and the like, scrambled with job times that vary by 1 % instead of 5 %, for forensics;
`components` is the number of PCA components per image (4 fits the published data, 3 is the
generator's code as stored).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.avmnist.spec import COMPONENTS, SPREADS
from datasets.errors import DataError
from datasets.loader import Loader, PrepareReport, Progress, Sizes, SplitSize
from datasets.spec import PROTOCOLS, DatasetSpec
from datasets.store.manifest import Manifest

if TYPE_CHECKING:
    from datasets.tensors.dataset import Dataset
"""Pairings besides the prepared ones, with the coefficient of variation of a job's time."""


class AvMnist(Loader):
    """The AV-MNIST loader; torch and numpy are imported by the verbs that need them."""

    spec = DatasetSpec("avmnist", {"audio": (1, 112, 112), "visual": (1, 28, 28)}, 10)
    recipe_version = 1

    choices: ClassVar = {
        "pairing": ("scrambled", "aligned", *SPREADS),
        "protocol": PROTOCOLS,
    }

    def options(self, given: Mapping[str, Any], manifest: Manifest) -> dict[str, Any]:
        chosen = dict(given)
        components, prepared = chosen.pop("components", COMPONENTS), manifest.recipe["components"]
        # Configuration files and the command line may give numbers as text.
        if str(components) not in map(str, range(1, prepared + 1)):
            raise DataError(f"components={components!r}; prepared are 1 to {prepared}")
        return {**super().options(chosen, manifest), "components": int(components)}

    def load(self, folder: Path, options: Mapping[str, Any]) -> Dataset:
        from datasets.avmnist.load import load_splits
        from datasets.tensors.dataset import Dataset

        manifest = self.manifest(folder)
        chosen = self.options(options, manifest)
        remedy = self.remedy(manifest.stand_in)
        splits, rows = load_splits(folder, manifest, remedy, **chosen)
        identity = self.fingerprint(manifest, options)
        return Dataset(self.spec, *splits, identity, rows, manifest.stand_in)

    def prepare(
        self, raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
    ) -> PrepareReport:
        from datasets.avmnist.prepare import prepare_published

        return prepare_published(raw, folder, progress=progress, force=force)

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        from datasets.avmnist.stand_in import prepare_stand_in

        return prepare_stand_in(folder, seed, progress=progress)


def _avmnist(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    from datasets.avmnist.load import split_rows

    rows, clips = manifest.facts["rows"], manifest.facts["clips"]
    parts = split_rows({part: int(count) for part, count in rows.items()}, manifest, protocol)
    return {
        split: SplitSize(len(index), {"audio": min(len(index), int(clips[part]))})
        for split, (part, index) in parts.items()
    }
