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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datasets.errors import DataError
from datasets.loader import Converted, Loader
from datasets.raw.find import first_good, search
from datasets.spec import PROTOCOLS, DatasetSpec, Progress
from datasets.store.manifest import Manifest
from datasets.urfunny.spec import FILE, OTHER_VERSIONS, SOURCES, SPEC, STAND_IN_WORDS, spec_with

if TYPE_CHECKING:
    from datasets.audit.findings import Finding
    from datasets.tensors.dataset import SplitTensors


class UrFunny(Loader):
    """The UR-Funny loader. The pickle is read once and not kept."""

    spec, stand_in_spec = SPEC, spec_with(STAND_IN_WORDS)
    recipe_version = 1
    options: ClassVar = {  # type: ignore[misc]
        "padding": ("fixed", "batch"),
        "protocol": PROTOCOLS,
        "normalise": ("raw", "zscore"),
    }
    sources, other_versions = SOURCES, OTHER_VERSIONS
    # Three transformers with momentum and gradients take 1.6 GB per method, and a CPU minutes for
    # a step of 64 samples.
    bench_batch_cpu, bench_methods_at_once = 8, 4

    def loaded_spec(self, manifest: Manifest, options: Mapping[str, Any]) -> DatasetSpec:
        return spec_with(int(manifest.facts["longest"]))

    def write_raw(self, folder: Path, seed: int) -> None:
        from datasets.urfunny.stand_in import write_raw

        write_raw(folder / FILE, seed)

    def find_raw(self, places: Sequence[Path], stand_in: bool = False) -> dict[str, Path]:
        """The file itself under any name, or the first readable `humor.pkl` in a folder."""
        found = search(places)
        candidates = [path for path in found.files if path in places] + found.named(FILE)
        if candidates := list(dict.fromkeys(candidates)):
            check = partial(self.check_raw, FILE, stand_in=stand_in)
            # A pickle tells only in full whether it is whole: one alone is read when it is used.
            use = check if len(candidates) == 1 else _readable
            return {FILE: first_good(FILE, candidates, use)}
        where = f" in {', '.join(map(str, places))}" if places else ""
        where += found.why_missing([FILE])
        raise DataError(
            f"{FILE} is missing{where}; fetch it by hand from {SOURCES[0].urls[0]} and "
            f"type ./reproduce.sh data prepare urfunny --raw FILE{self.consent_hint()}"
        )

    def convert(self, files: Mapping[str, Path], stand_in: bool, progress: Progress) -> Converted:
        from datasets.urfunny.prepare import arrays_of, clean, facts_of
        from datasets.urfunny.raw import read_raw

        progress("reading", 0, 0)
        raw = read_raw(files[FILE])
        parts = {}  # type: ignore[var-annotated]
        for name in list(raw):
            progress("cleaning", len(parts), len(parts) + len(raw))
            parts[name] = clean(raw.pop(name), f"{files[FILE]}, {name}")
        progress("cleaning", len(parts), len(parts))
        return Converted(arrays_of(parts), facts_of(parts))

    def notes(self, facts: Mapping[str, Any]) -> tuple[str, ...]:
        lines = [
            f"{name}: {part['items']} items ({part['funny']} funny) of {part['words']} words; "
            f"{part['dropped']} without text dropped, {part['replaced']} audio values -inf set to 0"
            for name, part in facts["parts"].items()
        ]
        return (*lines, f"the longest item has {facts['longest']} words")

    def load_splits(
        self, folder: Path, manifest: Manifest, options: Mapping[str, Any]
    ) -> tuple[list[SplitTensors], str]:
        from datasets.urfunny.load import load_splits

        return load_splits(folder, manifest, self.remedy(manifest.stand_in), **options)

    def part_sizes(self, manifest: Manifest) -> Mapping[str, int]:
        return {name: part["items"] for name, part in manifest.facts["parts"].items()}

    def audit(self, raw: Sequence[Path], prepared: Path) -> list[Finding]:
        from datasets.urfunny.audit import findings

        if not prepared.exists():
            return self.nothing_to_audit()
        manifest = self.manifest(prepared)
        return list(findings(prepared, manifest, self.remedy(manifest.stand_in)))

    def prepare_command(self) -> str:
        return "./reproduce.sh data prepare urfunny --raw FILE, with the humor.pkl of MultiBench"


def _readable(path: Path) -> Path:
    """The path, if the whole pickle can be read."""
    from datasets.urfunny.raw import read_raw

    read_raw(path)
    return path
