"""Raw AVE -> the prepared folder. The visual features pass through in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.ave.loader import Ave
from datasets.ave.raw import FEATURES, KEY, LABELS, RawAve, find_raw, read_raw
from datasets.ave.release import PARTS, AveRelease
from datasets.errors import DataError
from datasets.loader import PrepareReport, Progress
from datasets.raw.hdf5 import narrowed, read_chunks
from datasets.store.arrays import Streamed, write_store
from datasets.store.manifest import Manifest, digest_of, file_sha256, read_manifest, up_to_date


def prepare_release(
    places: Sequence[Path],
    folder: Path,
    release: AveRelease,
    progress: Progress,
    *,
    force: bool,
) -> PrepareReport:
    """Reads, verifies, converts and stores one release; raises DataError, leaving no trace.

    The published files have no published checksums: what was prepared from other files is
    prepared again. Without `places`, a folder that is complete stays.
    """
    complete = None if places or force else _complete(folder)
    if complete:
        return PrepareReport(False, folder, complete, notes(complete.facts))
    raw = read_raw(find_raw(places), release)
    facts, sha256 = _facts(raw, release), _sha256(raw, progress)
    recipe = recipe_of(release, sha256)
    current = None if force else up_to_date(folder, recipe)
    if current:
        return PrepareReport(False, folder, current, notes(facts))
    manifest = write_store(
        folder,
        _arrays(raw, release, progress),
        dataset=Ave.spec.name,
        stand_in=release.stand_in,
        recipe=recipe,
        raw=sha256,
        facts=facts,
        fingerprint=digest_of(recipe),
    )
    return PrepareReport(True, folder, manifest, notes(facts))


def recipe_of(release: AveRelease, sha256: dict[str, str]) -> dict[str, Any]:
    """All that decides the data. The bytes of generated files depend on the HDF5 library, so for
    these their identity counts instead."""
    used = {name: digest for name, digest in sha256.items() if name not in LABELS}
    return {"version": Ave.recipe_version, "raw": dict(release.identity) or used}


def notes(facts: dict[str, Any]) -> tuple[str, ...]:
    """The facts as lines for people."""
    lines = [
        f"{part}: {facts['clips'][part]} clips, "
        f"{100 * facts['background'][part]:.1f} % of their seconds are background"
        for part in PARTS
    ]
    for name, rows in facts["differing"].items():
        found = f"{len(rows)} clips, first row {rows[0]}; not used" if rows else "no clip"
        lines.append(f"{name} differs from Annotations.txt in {found}")
    return tuple(lines)


def _complete(folder: Path) -> Manifest | None:
    """The manifest of an undamaged folder of this version and of real data."""
    try:
        manifest = read_manifest(folder)
    except DataError:
        return None
    if manifest is None or manifest.stand_in:
        return None
    if manifest.recipe.get("version") != Ave.recipe_version:
        return None
    return up_to_date(folder, manifest.recipe)


def _sha256(raw: RawAve, progress: Progress) -> dict[str, str]:
    digests = {}
    for done, (name, path) in enumerate(sorted(raw.files.items()), 1):
        digests[name] = file_sha256(path)
        progress("checksums", done, len(raw.files))
    return digests


def _facts(raw: RawAve, release: AveRelease) -> dict[str, Any]:
    background = release.categories
    shares = {p: float((raw.labels[rows] == background).mean()) for p, rows in raw.rows.items()}
    return {
        "clips": {part: len(rows) for part, rows in raw.rows.items()},
        "classes": release.categories + 1,
        "background": {part: round(share, 4) for part, share in shares.items()},
        "differing": raw.differing,
    }


def _arrays(
    raw: RawAve, release: AveRelease, progress: Progress
) -> dict[str, np.ndarray | Streamed]:
    """Per split: rows_ (K,) int32, labels_ (K, 10) uint8, audio_ (K, 10, 128) float32,
    visual_full_ (K, 10, 7, 7, 512) float16, visual_mean_ (K, 10, 512) float32."""
    arrays: dict[str, np.ndarray | Streamed] = {}
    for part, rows in raw.rows.items():
        audio, visual = (
            _Features(raw.files[name], (release.rows, *release.shapes[m]), part, rows, progress)
            for m, name in FEATURES.items()
        )
        arrays[f"rows_{part}"] = rows.astype(np.int32)
        arrays[f"labels_{part}"] = raw.labels[rows]
        arrays[f"audio_{part}"] = audio.streamed(np.float32)
        arrays[f"visual_full_{part}"] = visual.streamed(np.float16)
        arrays[f"visual_mean_{part}"] = visual.streamed(np.float32, over=(2, 3))
    return arrays


@dataclass(frozen=True)
class _Features:
    """The features of one modality in one split: some `rows` of an array of this `shape`."""

    path: Path
    shape: tuple[int, ...]
    part: str
    rows: np.ndarray
    progress: Progress

    def streamed(self, dtype: type[np.floating], over: tuple[int, ...] = ()) -> Streamed:
        """The rows in `dtype`, or their means over these axes."""
        kept = (size for axis, size in enumerate(self.shape) if axis and axis not in over)
        return Streamed((len(self.rows), *kept), np.dtype(dtype), self._chunks(dtype, over))

    def _chunks(self, dtype: type[np.floating], over: tuple[int, ...]) -> Iterator[np.ndarray]:
        done, stage = 0, f"{'means' if over else 'features'} of {self.path.name}, {self.part}"
        for rows, values in read_chunks(self.path, KEY, self.shape, self.rows):
            means = values.mean(over, dtype=np.float64) if over else values
            yield narrowed(means, dtype, rows, str(self.path))
            done += len(rows)
            self.progress(stage, done, len(self.rows))
