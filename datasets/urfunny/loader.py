"""UR-Funny: is the punchline of a talk funny? Word by word: sound, face, word vector (2 classes).

From MultiBench's `humor.pkl`. Options of `load`: `padding` is `fixed` (every sample is padded to
the longest of the dataset, so that no prediction depends on the other samples of a batch) or
`batch` (to the longest of the batch, as the published code does; a prediction then depends on the
samples that are evaluated together);
`protocol` is `validation` (the official three parts) or `published` (the official validation part
both chooses and reports, the test part is not used: AGM_ICCV2023@5a65542,
dataloader/URFunny_loader.py:35-40); `normalise` is `raw`, as published, or `zscore` (every feature
has mean 0 and standard deviation 1 over the words of the training part).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.loader import Loader, PrepareReport, Progress, Sizes, SplitSize
from datasets.spec import PROTOCOLS, THREE_PARTS, DatasetSpec
from datasets.store.manifest import Manifest
from datasets.urfunny.spec import LONGEST

if TYPE_CHECKING:
    from datasets.tensors.dataset import Dataset
"""MultiBench's length; the prepared data says how long its own longest sample is."""


class UrFunny(Loader):
    """The UR-Funny loader; torch and numpy are imported by the verbs that need them."""

    spec = DatasetSpec(
        "urfunny", {"audio": (LONGEST, 81), "visual": (LONGEST, 371), "text": (LONGEST, 300)}, 2
    )
    recipe_version = 1

    choices: ClassVar = {
        "padding": ("fixed", "batch"),
        "protocol": PROTOCOLS,
        "normalise": ("raw", "zscore"),
    }

    def load(self, folder: Path, options: Mapping[str, Any]) -> Dataset:
        from datasets.tensors.dataset import Dataset
        from datasets.urfunny.load import load_splits

        manifest = self.manifest(folder)
        chosen = self.options(options, manifest)
        splits, names = load_splits(folder, manifest, self.remedy(manifest.stand_in), **chosen)
        longest = int(manifest.facts["longest"])
        shapes = {m: (longest, width) for m, (_, width) in self.spec.shapes.items()}
        identity = self.fingerprint(manifest, options)
        spec = replace(self.spec, shapes=shapes)
        return Dataset(spec, *splits, identity, names, manifest.stand_in)

    def prepare(
        self, raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
    ) -> PrepareReport:
        from datasets.urfunny.prepare import prepare_published

        return prepare_published(raw, folder, progress=progress, force=force)

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        from datasets.urfunny.stand_in import prepare_stand_in

        return prepare_stand_in(folder, seed, progress=progress)

    def remedy(self, stand_in: bool = False) -> str:
        if stand_in:
            return super().remedy(stand_in)
        return (
            "type ./reproduce.sh data prepare urfunny --raw FILE, with the humor.pkl of MultiBench"
        )


def _urfunny(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    items = {part: int(found["items"]) for part, found in manifest.facts["parts"].items()}
    return {split: SplitSize(items[part]) for split, part in THREE_PARTS[protocol].items()}
