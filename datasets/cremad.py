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

from datasets.catalog import DatasetSpec
from datasets.loader import Loader, PrepareReport, Progress
from datasets.protocols import PROTOCOLS

if TYPE_CHECKING:
    from datasets.manifest import Manifest
    from datasets.spec import Dataset

LABELS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
"""Class 0 to 5, as in the published code."""

FRONT_ENDS = {"257x299": (1, 257, 299), "257x188": (1, 257, 188)}


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
        from datasets.cremad_load import load_splits
        from datasets.spec import Dataset

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
        from datasets.cremad_prepare import prepare_published

        return prepare_published(raw, folder, progress=progress, force=force)

    def generate_stand_in(self, folder: Path, seed: int, *, progress: Progress) -> PrepareReport:
        from datasets.cremad_generated import prepare_stand_in

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
