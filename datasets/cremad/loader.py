"""CREMA-D: actors saying twelve sentences in six emotions; spectrogram and one frame per clip.

Options of `load`: `front_end` is `257x299` (the shape that the papers state: 16 kHz, window 512,
overlap 353, standardised per clip) or `257x188` (what the published code computes: 22.05 kHz,
hop 353). All 91 actors are in both published lists. So `protocol` also knows splits that share no
actor: `actor_disjoint`, `tfds` (that of TensorFlow Datasets) and `fold_1` to `fold_5`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.cremad.spec import (
    ACTOR_PROTOCOLS,
    CLIPS,
    FRONT_ENDS,
    IMAGE_SIZE,
    LISTS,
    RECIPE_VERSION,
    STAND_IN_IMAGE_SIZE,
    spec_with,
)
from datasets.errors import DataError
from datasets.loader import Loader
from datasets.spec import PROTOCOLS, DatasetSpec, FetchOptions, Progress, SplitSize
from datasets.store.manifest import Manifest

if TYPE_CHECKING:
    from datasets.audit.findings import Finding
    from datasets.tensors.dataset import SplitTensors


class Cremad(Loader):
    """The CREMA-D loader. Clips are converted one by one, in several processes."""

    spec, stand_in_spec = spec_with(IMAGE_SIZE), spec_with(STAND_IN_IMAGE_SIZE)
    recipe_version = RECIPE_VERSION
    options: ClassVar = {  # type: ignore[misc]
        "front_end": tuple(FRONT_ENDS),
        "protocol": (*PROTOCOLS, *ACTOR_PROTOCOLS),
    }
    sources = (CLIPS, *LISTS)
    bench_batch_cpu = 4  # 64 samples would take a CPU minutes per step

    def loaded_spec(self, manifest: Manifest, options: Mapping[str, Any]) -> DatasetSpec:
        return spec_with(manifest.recipe["image_size"], options["front_end"])

    def current(self, places: Sequence[Path], folder: Path, progress: Progress) -> Manifest | None:
        """Thousands of files are not read for this: the lists and the folder tell."""
        from datasets.cremad.prepare import current

        return current(places, folder)

    def stand_in_recipe(self, seed: int) -> dict[str, Any]:
        from datasets.cremad.prepare import stand_in_release

        return stand_in_release(self.generated(seed)).recipe

    def write_raw(self, folder: Path, seed: int) -> None:
        from datasets.cremad.stand_in import write_raw

        write_raw(folder, seed)

    def build_published(
        self, places: Sequence[Path], folder: Path, fetching: FetchOptions, progress: Progress
    ) -> Manifest:
        from datasets.cremad.download import how_to_begin, prepare_while_fetching
        from datasets.cremad.prepare import PUBLISHED, prepare_release
        from datasets.store.system import core_count

        if fetching.accept_licence:
            raw = self.raw_folder(folder)
            return prepare_while_fetching(places, raw, folder, fetching, progress)
        if not places:
            raise DataError(how_to_begin())
        return prepare_release(places, folder, PUBLISHED, core_count(), progress)

    def build(
        self, places: Sequence[Path], folder: Path, seed: int | None, progress: Progress
    ) -> Manifest:
        from datasets.cremad.prepare import prepare_release, stand_in_release

        release = stand_in_release(self.generated(seed))  # type: ignore[arg-type]
        return prepare_release(places, folder, release, 1, progress)

    def notes(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        from datasets.cremad.prepare import notes

        return notes(facts)

    def load_splits(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> tuple[list[SplitTensors], str]:
        from datasets.cremad.load import load_splits

        return load_splits(folder, manifest, self.remedy(manifest.stand_in), **options)

    def split_sizes(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> dict[str, SplitSize]:
        """Drawn as `load` draws them, by class or by actor: the counts alone do not say."""
        from datasets.cremad.splits import stored_rows

        _, rows = stored_rows(folder, manifest, self.remedy(manifest.stand_in), options["protocol"])
        return {split: SplitSize(len(index), {}) for split, index in rows.items()}

    def device_bytes(self, manifest: Manifest, options: Mapping[str, Any]) -> int:
        """Frames as stored, and spectrograms, which are computed on the device, as float32."""
        front_end = self.with_defaults(options, manifest)["front_end"]
        clips = sum(manifest.facts["rows"].values())
        return manifest.arrays["frames"].bytes + 4 * clips * prod(FRONT_ENDS[front_end])

    def audit(self, raw: Sequence[Path], prepared: Path) -> list[Finding]:
        from datasets.cremad.audit import findings, skipped

        if prepared.exists():
            return [*findings(raw), skipped(self.manifest(prepared))]
        return [*findings(raw), *self.nothing_to_audit("skipped clips")]

    def prepare_command(self) -> str:
        return (
            "./reproduce.sh data prepare cremad --accept-licence (or --raw DIR if you have the "
            "files)"
        )
