"""AVE: which event is seen and heard in each of a clip's ten seconds (28 events, background).

The published features: VGGish for audio, VGG-19 for visual. Option of `load`: `visual` is `full`,
the 7 x 7 positions of every second, or `mean`, their mean. Protocols: `validation` is the official
split; `published` chooses the epoch on the official validation clips and reports it on the same,
as AGM does (AGM_ICCV2023@5a65542, run/AVE_main.py); the official test clips are then unused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.ave.release import PUBLISHED
from datasets.loader import Loader, PrepareReport, Progress, Sizes, SplitSize
from datasets.spec import PROTOCOLS, THREE_PARTS, DatasetSpec
from datasets.store.manifest import Manifest

if TYPE_CHECKING:
    from datasets.tensors.dataset import Dataset


class Ave(Loader):
    """The AVE loader; torch, numpy and h5py are imported by the verbs that need them."""

    spec = DatasetSpec("ave", dict(PUBLISHED.shapes), PUBLISHED.categories + 1, PUBLISHED.seconds)
    recipe_version = 1

    choices: ClassVar = {"visual": ("full", "mean"), "protocol": PROTOCOLS}

    def load(self, folder: Path, options: Mapping[str, Any]) -> Dataset:
        from datasets.ave.load import load_splits
        from datasets.tensors.dataset import Dataset

        manifest = self.manifest(folder)
        chosen = self.options(options, manifest)
        remedy = self.remedy(manifest.stand_in)
        spec, splits, rows = load_splits(folder, manifest, remedy, **chosen)
        identity = self.fingerprint(manifest, options)
        return Dataset(spec, *splits, identity, rows, manifest.stand_in)

    def prepare(
        self, raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
    ) -> PrepareReport:
        from datasets.ave.prepare import prepare_release

        return prepare_release(raw, folder, PUBLISHED, progress, force=force)

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        from datasets.ave.stand_in import prepare_stand_in

        return prepare_stand_in(folder, seed, progress=progress)

    def remedy(self, stand_in: bool = False) -> str:
        if stand_in:
            return super().remedy(stand_in)
        return (
            "type ./reproduce.sh data prepare ave --raw DIR, with the files that "
            "./reproduce.sh data sources names"
        )


def _ave(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    clips = manifest.facts["clips"]
    return {split: SplitSize(int(clips[part])) for split, part in THREE_PARTS[protocol].items()}
