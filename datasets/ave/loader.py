"""AVE: which event is seen and heard in each of a clip's ten seconds (28 events, background).

The published features: VGGish for audio, VGG-19 for visual. Option of `load`: `visual` is `full`,
the 7 x 7 positions of every second, or `mean`, their mean. Protocols: `validation` is the official
split; `published` chooses the epoch on the official validation clips and reports it on the same,
as AGM does (AGM_ICCV2023@5a65542, run/AVE_main.py); the official test clips are then unused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.ave.spec import (
    ANNOTATIONS,
    FEATURES,
    LABELS,
    ORDERS,
    OTHER_VERSIONS,
    PARTS,
    PUBLISHED,
    SOURCES,
    STAND_IN,
    Release,
)
from datasets.loader import Converted, Loader
from datasets.spec import PROTOCOLS, DatasetSpec, Progress
from datasets.store.manifest import Manifest

if TYPE_CHECKING:
    from datasets.audit.findings import Finding
    from datasets.tensors.dataset import SplitTensors


class Ave(Loader):
    """The AVE loader. Its raw files have no published checksums."""

    spec, stand_in_spec = PUBLISHED.spec, STAND_IN.spec
    recipe_version = 1
    options: ClassVar = {"visual": ("full", "mean"), "protocol": PROTOCOLS}  # type: ignore[misc]
    sources, other_versions = SOURCES, OTHER_VERSIONS
    raw_files = (*FEATURES.values(), *ORDERS.values(), ANNOTATIONS)
    extra_raw_files = LABELS
    release: Release = PUBLISHED

    def loaded_spec(self, manifest: Manifest, options: Mapping[str, Any]) -> DatasetSpec:
        spec = self.spec_of(manifest.stand_in)
        if options["visual"] == "full":
            return spec
        seconds, *_, channels = spec.shapes["visual"]
        return replace(spec, shapes={**spec.shapes, "visual": (seconds, channels)})

    def write_raw(self, folder: Path, seed: int) -> None:
        from datasets.ave.stand_in import write_raw

        write_raw(folder, STAND_IN, seed)

    def check_raw(self, name: str, path: Path, *, stand_in: bool) -> Path:
        from datasets.ave.raw import check_file

        check_file(name, path, STAND_IN if stand_in else self.release)
        return path

    def recipe(self, sha256: Mapping[str, str]) -> dict[str, Any]:
        """Label files are compared only, so they do not count."""
        return super().recipe({name: sum_ for name, sum_ in sha256.items() if name not in LABELS})

    def convert(self, files: Mapping[str, Path], stand_in: bool, progress: Progress) -> Converted:
        from datasets.ave.prepare import arrays_of, facts_of
        from datasets.ave.raw import read_raw

        release = STAND_IN if stand_in else self.release
        raw = read_raw(files, release)
        return Converted(arrays_of(raw, release, progress), facts_of(raw, release))

    def notes(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        lines = [
            f"{part}: {facts['clips'][part]} clips, "
            f"{100 * facts['background'][part]:.1f} % of their seconds are background"
            for part in PARTS
        ]
        for name, rows in facts["differing"].items():
            found = f"{len(rows)} clips, first row {rows[0]}; not used" if rows else "no clip"
            lines.append(f"{name} differs from Annotations.txt in {found}")
        return tuple(lines)

    def load_splits(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> tuple[list[SplitTensors], str]:
        from datasets.ave.load import load_splits

        return load_splits(folder, manifest, self.remedy(manifest.stand_in), **options)

    def part_sizes(self, manifest: Manifest) -> Mapping[str, int]:
        return manifest.facts["clips"]

    def audit(self, raw: Sequence[Path], prepared: Path) -> list[Finding]:
        from datasets.ave.audit import findings

        return list(findings(raw, self.manifest(prepared) if prepared.exists() else None))
