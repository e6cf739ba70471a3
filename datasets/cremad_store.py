"""Converted clips -> the arrays of the prepared folder, one clip in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.cremad_clip import KEPT_SAMPLES, read_result
from datasets.cremad_lists import PARTS, label_of
from datasets.store import Streamed

NAME = np.dtype("S20")
PIXEL, SAMPLE = np.dtype(np.uint8), np.dtype(np.int16)


def result_arrays(
    parts: Mapping[str, Sequence[str]], work: Path, size: tuple[int, int]
) -> dict[str, np.ndarray | Streamed]:
    """The N clips of both published lists, in their order.

    frames (N, rows, columns, 3) uint8; samples (N, S) int16, zeros behind lengths (N,) int32;
    clips (N,) bytes; labels (N,) uint8; is_test (N,) uint8.
    """
    clips = [clip for part in PARTS for clip in parts[part]]
    lengths = np.zeros(len(clips), np.int32)
    frames = (result["frame"][None] for result in _results(clips, work))
    samples = _padded(_results(clips, work), lengths)
    return {
        "frames": Streamed((len(clips), *size, 3), PIXEL, frames),
        "samples": Streamed((len(clips), KEPT_SAMPLES), SAMPLE, samples),
        "lengths": lengths,  # filled while the samples are written
        "clips": np.array(clips, NAME),
        "labels": np.array([label_of(clip) for clip in clips], np.uint8),
        "is_test": np.repeat(np.arange(2, dtype=np.uint8), [len(parts[part]) for part in PARTS]),
    }


def _results(clips: Sequence[str], work: Path) -> Iterator[dict[str, np.ndarray]]:
    for clip in clips:
        yield read_result(work / f"{clip}.npz")


def _padded(results: Iterator[dict[str, np.ndarray]], lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Rows (1, S) of zero-padded samples; enters the lengths as it goes."""
    for row, result in enumerate(results):
        lengths[row] = len(result["samples"])
        yield np.pad(result["samples"], (0, KEPT_SAMPLES - lengths[row]))[None]
