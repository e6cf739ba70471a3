"""CREMA-D: actors saying twelve sentences in six emotions; spectrogram and one frame per clip.

Options of `load`: `front_end` is `257x299` (the shape that the papers state: 16 kHz, window 512,
overlap 353, standardised per clip) or `257x188` (what the published code computes: 22.05 kHz,
hop 353); `protocol` also knows `actor_disjoint`, as all 91 actors are in both published lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.cremad.spec import FRONT_ENDS, LABELS
from datasets.loader import Loader, PrepareReport, Progress, Sizes, SplitSize
from datasets.spec import PROTOCOLS, DatasetSpec
from datasets.store.manifest import Manifest

if TYPE_CHECKING:
    from datasets.store.manifest import Manifest
    from datasets.tensors.dataset import Dataset
"""Class 0 to 5, as in the published code."""


class Cremad(Loader):
    """The CREMA-D loader; torch and numpy are imported by the verbs that need them."""

    spec = DatasetSpec("cremad", {"audio": (1, 257, 299), "visual": (3, 224, 224)}, len(LABELS))
    recipe_version = 1

    choices: ClassVar = {
        "front_end": tuple(FRONT_ENDS),
        "protocol": (*PROTOCOLS, "actor_disjoint"),
    }

    def load(self, folder: Path, options: Mapping[str, Any]) -> Dataset:
        """See `Loader.load`; stand-in frames are smaller than the spec says."""
        from datasets.cremad.load import load_splits
        from datasets.tensors.dataset import Dataset

        manifest = self.manifest(folder)
        chosen = self.options(options, manifest)
        size = manifest.recipe["image_size"]
        shapes = {"audio": FRONT_ENDS[chosen["front_end"]], "visual": (3, size, size)}
        remedy = self.remedy(manifest.stand_in)
        splits, rows = load_splits(folder, manifest, remedy, **chosen)
        spec = replace(self.spec, shapes=shapes)
        identity = self.fingerprint(manifest, options)
        return Dataset(spec, *splits, identity, rows, manifest.stand_in)

    def prepare(
        self, raw: Sequence[Path], folder: Path, *, progress: Progress, force: bool
    ) -> PrepareReport:
        from datasets.cremad.prepare import prepare_published

        return prepare_published(raw, folder, progress=progress, force=force)

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        from datasets.cremad.stand_in import prepare_stand_in

        return prepare_stand_in(folder, seed, progress=progress)

    def device_bytes(self, manifest: Manifest, options: Mapping[str, Any]) -> int:
        """Frames as stored, and spectrograms, which are computed on the device, as float32."""
        front_end = self.options(options, manifest)["front_end"]
        clips = sum(manifest.facts["rows"].values())
        return manifest.arrays["frames"].bytes + 4 * clips * prod(FRONT_ENDS[front_end])

    def remedy(self, stand_in: bool = False) -> str:
        if stand_in:
            return super().remedy(stand_in)
        return "type ./reproduce.sh data prepare cremad --raw DIR with the folder of its files"


def _cremad(folder: Path, manifest: Manifest, protocol: str) -> Sizes:
    """Drawn as the loader draws them, by class or by actor: the counts alone do not say."""
    from datasets.cremad.load import split_rows
    from datasets.store.arrays import read_arrays

    remedy = Cremad().remedy(manifest.stand_in)
    arrays = read_arrays(folder, manifest, remedy, ("clips", "labels", "is_test"))
    clips = [name.decode() for name in arrays["clips"].tolist()]
    rows = split_rows(clips, arrays["labels"], arrays["is_test"], protocol)
    return {split: SplitSize(len(index)) for split, index in rows.items()}
