"""Raw AVE -> the arrays to store. The visual features pass through in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.ave.raw import KEY, RawAve
from datasets.ave.spec import FEATURES, Release
from datasets.raw.hdf5 import narrowed, read_chunks
from datasets.spec import Progress
from datasets.store.arrays import Streamed


def facts_of(raw: RawAve, release: Release) -> dict[str, Any]:
    """Clips and share of background per part, and where published label files differ."""
    background = release.categories
    shares = {p: float((raw.labels[rows] == background).mean()) for p, rows in raw.rows.items()}
    return {
        "clips": {part: len(rows) for part, rows in raw.rows.items()},
        "classes": release.categories + 1,
        "background": {part: round(share, 4) for part, share in shares.items()},
        "differing": raw.differing,
    }


def arrays_of(
    raw: RawAve, release: Release, progress: Progress
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
